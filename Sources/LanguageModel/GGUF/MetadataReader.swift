// SPDX-License-Identifier: Apache-2.0

/// The metadata of a GGUF file under its architecture's prefix, read with limits.
struct MetadataReader {
  let lookup: any MetadataLookup
  let file: String
  /// `general.architecture`: llama, qwen2, gemma3 ...
  let architecture: String

  /// - Throws: ``ConfigurationError/missingKey(file:key:alternatives:modelType:)`` without an architecture.
  init(_ lookup: any MetadataLookup, file: String) throws(ConfigurationError) {
    guard let architecture = lookup.string("general.architecture"), !architecture.isEmpty else {
      throw .missingKey(file: file, key: "general.architecture", alternatives: [], modelType: "unknown")
    }
    self.lookup = lookup
    self.file = file
    self.architecture = architecture
  }

  private func path(_ key: String) -> String { "\(architecture).\(key)" }

  func integer(_ key: String, in range: ClosedRange<Int>) throws(ConfigurationError) -> Int? {
    guard let value = lookup.integer(path(key)) else { return nil }
    guard range.contains(value) else {
      throw .outOfRange(file: file, key: path(key), value: value, allowed: range)
    }
    return value
  }

  func width(_ key: String) throws(ConfigurationError) -> Int {
    guard let value = try integer(key, in: 1...ConfigurationReader.Limit.width) else { throw missing(key) }
    return value
  }

  /// A count that may be absent; 0 counts as absent.
  func countIfAny(_ key: String) throws(ConfigurationError) -> Int? {
    let value = try integer(key, in: 0...ConfigurationReader.Limit.width)
    return value == 0 ? nil : value
  }

  /// One number for every layer: a list, or one number for all of them.
  func perLayer(_ key: String, layerCount: Int) throws(ConfigurationError) -> [Int]? {
    let range = 0...ConfigurationReader.Limit.width
    guard let values = lookup.integers(path(key)) else {
      return try integer(key, in: range).map { [Int](repeating: $0, count: layerCount) }
    }
    guard values.count >= layerCount else {
      throw .listTooShort(file: file, key: path(key), count: values.count, needed: layerCount)
    }
    for value in values where !range.contains(value) {
      throw .outOfRange(file: file, key: path(key), value: value, allowed: range)
    }
    return Array(values.prefix(layerCount))
  }

  func number(_ key: String) -> Double? {
    lookup.number(path(key)).flatMap { $0.isFinite ? $0 : nil }
  }

  /// A number above zero; anything else counts as absent.
  func positive(_ key: String) -> Double? { number(key).flatMap { $0 > 0 ? $0 : nil } }

  func flag(_ key: String) -> Bool? { lookup.flag(path(key)) }

  func string(_ key: String) -> String? { lookup.string(path(key)) }

  func missing(_ key: String) -> ConfigurationError {
    .missingKey(file: file, key: path(key), alternatives: [], modelType: architecture)
  }
}
