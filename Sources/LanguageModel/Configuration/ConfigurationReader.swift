// SPDX-License-Identifier: Apache-2.0
package import JSONText

/// The language part of a `config.json`, read with limits: every number is hostile until it is in range.
///
/// Keys are given as alternatives, the first one present wins: publishers spell the same size in many ways. A key
/// whose value is `null` counts as absent, as it does in the files themselves.
package struct ConfigurationReader: Sendable {
  /// Limits that no real model approaches and that keep any product of three sizes inside 64 bits.
  package enum Limit {
    package static let layers = 4096
    package static let width = 1 << 24
    /// Heads, groups, experts, widths of one head.
    package static let count = 1 << 16
    package static let context = 1 << 28
  }

  package let file: String
  package let modelType: String
  private var values: [String: JSON]
  /// Keys outside the nested text part, where composite models keep a few of them.
  private let outer: [String: JSON]
  private let prefix: String

  /// - Throws: ``ConfigurationError/notAnObject(file:)``.
  package init(_ configuration: JSON, file: String) throws(ConfigurationError) {
    guard let members = configuration.members else { throw .notAnObject(file: file) }
    let top = Self.table(members)
    // Composite models keep the language model in a part of its own.
    let nested = ["text_config", "llm_config", "language_config", "thinker_config"].first { top[$0]?.members != nil }
    if let nested, let inner = top[nested]?.members {
      values = Self.table(inner)
      outer = top
      prefix = nested + "."
    } else {
      values = top
      outer = [:]
      prefix = ""
    }
    self.file = file
    modelType = values["model_type"]?.stringValue ?? top["model_type"]?.stringValue ?? ""
  }

  /// This reader with values for keys that the file leaves to its model type's defaults.
  func filled(with defaults: [String: JSON]) -> ConfigurationReader {
    guard !defaults.isEmpty else { return self }
    var copy = self
    copy.values.merge(defaults) { own, _ in own }
    return copy
  }

  private init(file: String, modelType: String, values: [String: JSON], prefix: String) {
    self.file = file
    self.modelType = modelType
    self.values = values
    self.outer = [:]
    self.prefix = prefix
  }

  private static func table(_ members: [JSON.Member]) -> [String: JSON] {
    var table: [String: JSON] = Dictionary(minimumCapacity: members.count)
    for member in members where !member.value.isNull { table[member.key] = member.value }
    return table
  }

  /// The object under `key` as a reader of its own, or nil when there is none.
  package func part(_ key: String) -> ConfigurationReader? {
    guard let members = values[key]?.members else { return nil }
    return ConfigurationReader(
      file: file, modelType: modelType, values: Self.table(members), prefix: prefix + key + ".")
  }

  /// A reader of one object of a list.
  package func part(_ value: JSON, named name: String) throws(ConfigurationError) -> ConfigurationReader {
    guard let members = value.members else { throw wrongType(name, value, expected: "an object") }
    return ConfigurationReader(
      file: file, modelType: modelType, values: Self.table(members), prefix: prefix + name + ".")
  }

  package func has(_ key: String) -> Bool { values[key] != nil }

  /// The value of the first key present.
  func find(_ keys: [String]) -> (key: String, value: JSON)? {
    for key in keys { if let value = values[key] { return (key, value) } }
    return nil
  }

  func wrongType(_ key: String, _ value: JSON, expected: String) -> ConfigurationError {
    .wrongType(file: file, key: prefix + key, expected: expected, found: value.kindInWords)
  }

  func path(_ key: String) -> String { prefix + key }
}

extension ConfigurationReader {
  /// A whole number from `range` under the first key present, or nil.
  package func integer(_ keys: [String], in range: ClosedRange<Int>) throws(ConfigurationError) -> Int? {
    guard let (key, value) = find(keys) else { return nil }
    return try checked(value, key: key, in: range)
  }

  /// As `integer`, where some files list one number for each layer though all are alike.
  func integerOrFirst(_ keys: [String], in range: ClosedRange<Int>) throws(ConfigurationError) -> Int? {
    guard let (key, value) = find(keys) else { return nil }
    return try checked(value.arrayValue?.first ?? value, key: key, in: range)
  }

  func checked(_ value: JSON, key: String, in range: ClosedRange<Int>) throws(ConfigurationError) -> Int {
    guard let number = value.intValue else { throw wrongType(key, value, expected: "a whole number") }
    guard range.contains(number) else {
      throw .outOfRange(file: file, key: prefix + key, value: number, allowed: range)
    }
    return number
  }

  /// A width of at least one, which must be there.
  package func width(_ keys: String...) throws(ConfigurationError) -> Int {
    try required(keys, try integer(keys, in: 1...Limit.width))
  }

  /// A width, which may be absent; 0 counts as absent.
  package func widthIfAny(_ keys: String...) throws(ConfigurationError) -> Int? {
    let value = try integer(keys, in: 0...Limit.width)
    return value == 0 ? nil : value
  }

  /// Heads, experts, groups, head widths: at least one, must be there.
  package func count(_ keys: String...) throws(ConfigurationError) -> Int {
    try required(keys, try integer(keys, in: 1...Limit.count))
  }

  package func countIfAny(_ keys: String...) throws(ConfigurationError) -> Int? {
    let value = try integer(keys, in: 0...Limit.count)
    return value == 0 ? nil : value
  }

  func required(_ keys: [String], _ value: Int?) throws(ConfigurationError) -> Int {
    guard let value else { throw missing(keys) }
    return value
  }

  func missing(_ keys: [String]) -> ConfigurationError {
    .missingKey(
      file: file, key: prefix + (keys.first ?? ""), alternatives: Array(keys.dropFirst()), modelType: modelType)
  }

  /// A truth value; numbers count as C's do, because some files write 0 and 1.
  package func flag(_ keys: String...) throws(ConfigurationError) -> Bool? { try flag(keys) }

  func flag(_ keys: [String]) throws(ConfigurationError) -> Bool? {
    guard let (key, value) = find(keys) else { return nil }
    if let flag = value.boolValue { return flag }
    guard let number = value.intValue else { throw wrongType(key, value, expected: "true or false") }
    return number != 0
  }

  package func number(_ keys: String...) throws(ConfigurationError) -> Double? {
    guard let (key, value) = find(keys) else { return nil }
    guard let number = value.doubleValue, number.isFinite else { throw wrongType(key, value, expected: "a number") }
    return number
  }

  package func word(_ keys: String...) throws(ConfigurationError) -> String? {
    guard let (key, value) = find(keys) else { return nil }
    guard let word = value.stringValue else { throw wrongType(key, value, expected: "a word") }
    return word
  }

  /// The list under `key` when it is one; nil when the key is absent or holds something else.
  package func listIfAny(_ key: String) -> [JSON]? { values[key]?.arrayValue }

  /// A list with at least `count` items, or nil when the key is absent.
  package func list(_ key: String, atLeast count: Int) throws(ConfigurationError) -> [JSON]? {
    guard let value = values[key] else { return nil }
    guard let list = value.arrayValue else { throw wrongType(key, value, expected: "a list") }
    guard list.count >= count else {
      throw .listTooShort(file: file, key: prefix + key, count: list.count, needed: count)
    }
    return list
  }

  /// A truth value that composite models may keep outside the text part.
  package func flagHereOrOutside(_ key: String) throws(ConfigurationError) -> Bool? {
    if let flag = try flag(key) { return flag }
    return outer[key]?.boolValue
  }

  package func wordHereOrOutside(_ keys: [String]) -> String? {
    for key in keys { if let word = (values[key] ?? outer[key])?.stringValue { return word } }
    return nil
  }
}

extension JSON {
  /// The kind of value, for error sentences.
  package var kindInWords: String {
    switch self {
    case .null: "null"
    case .bool: "true or false"
    case .integer: "a whole number"
    case .number: "a number"
    case .string: "a word"
    case .array: "a list"
    case .object: "an object"
    }
  }
}
