import Testing

@testable import JobStoreSQLite

@Suite("The file system of the state directory")
struct FileSystemTests {
  @Test(
    "Every file system of other machines is known as one",
    arguments: [
      "nfs", "nfs4", "cifs", "smb3", "smbfs", "ceph", "fuse.ceph", "afs", "9p", "lustre", "gpfs", "beegfs", "virtiofs",
      "fuse", "fuse.sshfs", "fuse.glusterfs", "glusterfs", "fuse.s3fs", "ocfs2", "gfs2", "orangefs", "vboxsf", "wekafs",
    ])
  func network(type: String) {
    #expect(FileSystemKind(type: type) == .network(type))
    #expect(FileSystemKind(type: type).warning(for: "/var/lib/weir")?.contains("network file system (\(type))") == true)
  }

  @Test("Those of this machine give no warning", arguments: ["ext4", "xfs", "btrfs", "zfs", "tmpfs", "overlay"])
  func local(type: String) { #expect(FileSystemKind(type: type).warning(for: "/x") == nil) }

  @Test("One that nobody has heard of is said to be unknown")
  func unfamiliar() {
    #expect(FileSystemKind(type: "quantumfs").warning(for: "/x")?.contains("does not know (quantumfs)") == true)
  }

  @Test("It is found by its device, the last mount of it")
  func mountinfo() {
    let mounts = """
      22 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw
      40 22 0:36 / /home/a - b rw shared:9 master:1 - nfs4 server:/home rw
      41 22 0:37 / /x rw - fuse.sshfs a@b:/ rw,user_id=0
      """
    #expect(FileSystemKind(ofDevice: "254:1", in: mounts) == .local)
    #expect(FileSystemKind(ofDevice: "0:36", in: mounts) == .network("nfs4"))
    #expect(FileSystemKind(ofDevice: "0:37", in: mounts) == .network("fuse.sshfs"))
    #expect(FileSystemKind(ofDevice: "9:9", in: mounts) == nil)
    #expect(FileSystemKind(ofDevice: "9:9", in: "") == nil)
  }
}
