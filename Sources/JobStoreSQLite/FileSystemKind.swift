import Foundation

/// Whether SQLite's log and the lock can be relied on in a file system, judged by the type that the kernel gives it.
enum FileSystemKind: Sendable, Equatable {
  /// On a disk or in the memory of this machine.
  case local
  /// Shared with other machines.
  case network(String)
  /// A type that is not in the list of local ones.
  case unfamiliar(String)

  private static let localTypes: Set = [
    "aufs", "bcachefs", "btrfs", "ecryptfs", "erofs", "exfat", "ext2", "ext3", "ext4", "f2fs", "fuse.fuse-overlayfs",
    "fuseblk", "hfsplus", "jfs", "msdos", "nilfs2", "ntfs", "ntfs3", "overlay", "ramfs", "reiserfs", "rootfs", "tmpfs",
    "ubifs", "udf", "vfat", "xfs", "zfs",
  ]

  private static let networkTypes: Set = [
    "9p", "acfs", "afs", "beegfs", "ceph", "cifs", "coda", "fhgfs", "fuse", "gfs2", "glusterfs", "gpfs", "hgfs",
    "lustre", "mmfs", "ncpfs", "nfs", "nfs4", "ocfs2", "orangefs", "panfs", "prl_fs", "pvfs2", "smb2", "smb3", "smbfs",
    "vboxsf", "virtiofs", "vmhgfs", "wekafs",
  ]

  /// - Parameter type: as in mountinfo, `ext4` or `fuse.sshfs` for example.
  init(type: String) {
    if Self.localTypes.contains(type) {
      self = .local
    } else if Self.networkTypes.contains(type) || type.hasPrefix("fuse.") {
      self = .network(type)
    } else {
      self = .unfamiliar(type)
    }
  }

  /// - Parameters:
  ///   - device: major and minor number, as in mountinfo.
  ///   - mounts: the text of /proc/self/mountinfo.
  /// - Returns: nil when the device is not mounted there, as with the subvolumes of btrfs.
  init?(ofDevice device: String, in mounts: String) {
    // proc_pid_mountinfo(5): the third field is the device, the first after " - " the type.
    let line = mounts.split(separator: "\n").last { line in
      line.split(separator: " ", maxSplits: 3).dropFirst(2).first.map { $0 == device } ?? false
    }
    guard let type = line?.split(separator: " - ").last?.prefix(while: { $0 != " " }), !type.isEmpty else { return nil }
    self.init(type: String(type))
  }

  /// What an administrator should know of a directory in it; nil when all is well.
  func warning(for path: String) -> String? {
    switch self {
    case .local: nil
    case .network(let type):
      "\(path) is on a network file system (\(type)), where neither the lock nor the database can be relied on; use a local disk"
    case .unfamiliar(let type):
      "\(path) is on a file system that Weir does not know (\(type)); use a local disk, the lock and the database need one"
    }
  }
}
