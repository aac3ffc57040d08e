import Glibc

/// The Date field's value, `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110 section 5.6.7), made once a second.
struct HTTPDate {
  private var second: time_t = -1
  private var text: [UInt8] = []

  /// The bytes of the current second.
  mutating func now() -> [UInt8] {
    var time = timespec()
    clock_gettime(CLOCK_REALTIME_COARSE, &time)
    if time.tv_sec != second {
      second = time.tv_sec
      text = Self.format(second)
    }
    return text
  }

  /// - Parameter second: since 1970, UTC.
  static func format(_ second: time_t) -> [UInt8] {
    let days = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
    let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
    var second = second
    var parts = tm()
    gmtime_r(&second, &parts)
    func two(_ number: Int32) -> String { (number < 10 ? "0" : "") + String(number) }
    let day = "\(days[Int(parts.tm_wday)]), \(two(parts.tm_mday)) \(months[Int(parts.tm_mon)])"
    let time = "\(two(parts.tm_hour)):\(two(parts.tm_min)):\(two(parts.tm_sec))"
    return Array("\(day) \(parts.tm_year + 1900) \(time) GMT".utf8)
  }
}
