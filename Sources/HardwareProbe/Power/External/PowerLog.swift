// SPDX-License-Identifier: Apache-2.0

/// Another instrument's log: lines of time and watts, laid beside a run by the time of day.
enum PowerLog {
  /// Readings in the order of time.
  ///
  /// One line of names may stand first; with it, `time` or `timestamp` and `watts`, `power`, `joules` or `energy` name their
  /// columns. Times are seconds or milliseconds since 1970, or ISO 8601 with a zone. A last line without an end is still
  /// being written and left out.
  static func readings(_ text: String, path: String) throws(MeterError) -> [EnergySource.Stamped] {
    var lines = text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
    // Empty after a complete last line.
    lines.removeLast()
    var columns = Columns()
    var readings: [EnergySource.Stamped] = []
    for (index, line) in lines.enumerated() where !line.trimmed.isEmpty {
      let fields = line.split(omittingEmptySubsequences: false) { ",;\t".contains($0) }.map { $0.trimmed }
      if let reading = columns.reading(fields) {
        readings.append(reading)
      } else if let named = Columns(names: fields), readings.isEmpty {
        columns = named
      } else {
        throw .logMalformed(path: path, line: index + 1, text: String(line.prefix(80)))
      }
    }
    return readings.sorted { $0.seconds < $1.seconds }
  }

  private struct Columns {
    var time = 0
    var value = 1
    var isEnergy = false

    init() {}

    init?(names: [String]) {
      let names = names.map { $0.lowercased().trimmed }
      func column(_ words: [String]) -> Int? {
        names.firstIndex { name in words.contains { name.hasPrefix($0) } }
      }
      guard let time = column(["time", "date", "seconds"]),
        let value = column(["watt", "power"]) ?? column(["joule", "energy"])
      else { return nil }
      self.time = time
      self.value = value
      isEnergy = column(["watt", "power"]) == nil
    }

    func reading(_ fields: [String]) -> EnergySource.Stamped? {
      guard fields.indices.contains(time), fields.indices.contains(value),
        let seconds = PowerLog.seconds(fields[time]), let reading = PowerLine.reading(fields[value])
      else { return nil }
      if isEnergy, case .watts(let joules) = reading {
        return EnergySource.Stamped(seconds: seconds, reading: .joules(joules))
      }
      return EnergySource.Stamped(seconds: seconds, reading: reading)
    }
  }

  /// Seconds since 1970 of a number or of `2026-01-31T12:00:00.5+01:00`.
  static func seconds(_ text: String) -> Double? {
    if let number = Double(text) {
      guard number.isFinite, number >= 0 else { return nil }
      // In seconds this would be the year 5138.
      return number > 1e11 ? number / 1000 : number
    }
    return CalendarTime(text)?.seconds
  }
}

/// A moment of ISO 8601 with its zone.
private struct CalendarTime {
  let seconds: Double

  init?(_ text: String) {
    let bytes = Array(text.utf8)
    func number(_ start: Int, _ count: Int) -> Int? {
      guard start + count <= bytes.count, bytes[start..<start + count].allSatisfy({ 48...57 ~= $0 }) else { return nil }
      return bytes[start..<start + count].reduce(0) { $0 * 10 + Int($1) - 48 }
    }
    guard bytes.count >= 20, bytes[4] == 45, bytes[7] == 45, bytes[10] == 84 || bytes[10] == 32, bytes[13] == 58,
      bytes[16] == 58, let year = number(0, 4), let month = number(5, 2), let day = number(8, 2),
      let hour = number(11, 2), let minute = number(14, 2), let second = number(17, 2), (1...12).contains(month),
      (1...31).contains(day), hour < 24, minute < 60, second <= 60
    else { return nil }
    var position = 19
    var fraction = 0.0
    if bytes[position] == 46 {
      let digits = bytes[(position + 1)...].prefix { 48...57 ~= $0 }
      fraction = Double("0." + String(decoding: digits, as: UTF8.self) + "0") ?? 0
      position += 1 + digits.count
    }
    guard let offset = Self.offset(String(decoding: bytes[position...], as: UTF8.self)) else { return nil }
    let days = Self.days(year: year, month: month, day: day)
    seconds = Double(days * 86400 + hour * 3600 + minute * 60 + second - offset) + fraction
  }

  /// Seconds that the zone is ahead.
  private static func offset(_ zone: String) -> Int? {
    if zone == "Z" || zone == "z" { return 0 }
    guard let sign = zone.first, sign == "+" || sign == "-" else { return nil }
    let digits = zone.dropFirst().filter { $0 != ":" }
    guard digits.count == 4, let number = Int(digits), number % 100 < 60, number / 100 < 24 else { return nil }
    let seconds = (number / 100 * 60 + number % 100) * 60
    return sign == "-" ? -seconds : seconds
  }

  /// Days since 1970 of a date of the Gregorian calendar, its year counted from March.
  private static func days(year: Int, month: Int, day: Int) -> Int {
    let year = month > 2 ? year : year - 1
    let ofYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
    return year * 365 + year / 4 - year / 100 + year / 400 + ofYear - 719_468
  }
}
