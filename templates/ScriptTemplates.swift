public enum ScriptTemplates {
  public static let job = String(decoding: PackageResources.job_sh_mustache, as: UTF8.self)
}
