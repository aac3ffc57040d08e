import Support

/// The names of accounts that jobs may run as.
public enum Account {
  /// Why jobs never run as an account; nil when they may.
  public static func fault(_ name: String) -> String? {
    guard name.wholeMatch(of: /[a-z_][a-z0-9_.-]{0,31}/) != nil else {
      return
        "'\(name.visible().beginning(atMost: 40))' is not an account name: expected at most 32 of a-z, 0-9, '_', '.' and '-'"
    }
    guard !ofTheSystem.contains(name), !name.hasPrefix("systemd-"), !name.hasPrefix("_") else {
      return "'\(name)' is a system account; jobs never run as one"
    }
    return nil
  }

  /// What Debian, Red Hat and Slurm installations call the accounts of their daemons, and images of clouds that of their
  /// administrator.
  private static let ofTheSystem: Set<String> = [
    "adm", "admin", "administrator", "almalinux", "alpine", "ansible", "apache", "arch", "avahi", "azureuser", "backup",
    "bin", "bitnami", "centos", "chrony", "clear", "cloud-user", "core", "daemon", "dbus", "debian", "dnsmasq",
    "ec2-user", "fedora", "ftp", "games", "gdm", "gitlab-runner", "gnats", "grafana", "halt", "irc", "jenkins", "kube",
    "ldap", "libstoragemgmt", "lightdm", "list", "lp", "mail", "man", "messagebus", "minio", "mongodb", "munge",
    "mysql", "named", "news", "nginx", "nobody", "nslcd", "ntp", "opc", "opensuse", "operator", "polkitd", "postfix",
    "postgres", "prometheus", "proxy", "rabbitmq", "redis", "rocky", "root", "rpc", "rpcuser", "sddm", "shutdown",
    "slurm", "slurmrestd", "sshd", "sssd", "statd", "sync", "sys", "tcpdump", "tss", "ubuntu", "uucp", "uuidd",
    "vagrant", "wheel", "www-data", "zabbix",
  ]
}
