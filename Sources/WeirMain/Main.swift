import weir

/// The program; everything that it does is in the library, so that tests and tools can use its parts.
@main
enum Main {
  static func main() async { await Weir.main() }
}
