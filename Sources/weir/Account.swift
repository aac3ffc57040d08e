/// The names of accounts that jobs may run as.
enum Account {
  /// Why jobs never run as an account; nil when they may.
  static func fault(_ name: String) -> String? {
    guard name.wholeMatch(of: /[a-z_][a-z0-9_.-]{0,31}/) != nil else {
      return "'\(name.prefix(40))' is no name of an account: a-z, 0-9, '_', '.', '-' are allowed, 32 at most"
    }
    guard !ofTheSystem.contains(name), !name.hasPrefix("systemd-"), !name.hasPrefix("_") else {
      return "'\(name)' is an account of the system, which jobs never run as"
    }
    return nil
  }

  /// What Debian, Red Hat and Slurm installations call the accounts of their daemons.
  private static let ofTheSystem: Set<String> = [
    "adm", "apache", "avahi", "backup", "bin", "chrony", "daemon", "dbus", "dnsmasq", "ftp", "games", "gnats", "halt",
    "irc", "ldap", "libstoragemgmt", "list", "lp", "mail", "man", "messagebus", "munge", "mysql", "named", "news",
    "nginx", "nobody", "nslcd", "ntp", "operator", "polkitd", "postfix", "postgres", "proxy", "root", "rpc", "rpcuser",
    "shutdown", "slurm", "slurmrestd", "sshd", "sssd", "statd", "sync", "sys", "tcpdump", "tss", "uucp", "uuidd",
    "www-data",
  ]
}
