// SPDX-License-Identifier: Apache-2.0
package import CostModel
internal import JSONText

/// A published speed as the table has it: names that the catalogues know.
package struct PublishedSpeed: Sendable {
  package var engine: Engine
  package var machine: String
  package var model: String
  package var variant: String
  package var quantity: SpeedObservation.Quantity
  package var promptTokens: Int
  package var generatedTokens: Int
  /// Tokens in the cache before the measurement.
  package var earlierTokens: Int
  package var sequences: Int
  /// Nil where nobody said.
  package var threads: Int?
  /// Measured without flash attention.
  package var hasPlainAttention: Bool
  package var tokensPerSecond: Double
  package var source: String
}

/// The published speeds that the coefficients were fitted to. Read for `accuracy` alone.
package enum SpeedTable {
  /// - Throws: ``ProfileError`` naming the file and the row.
  package static func rows(_ library: ProfileLibrary) throws(ProfileError) -> [PublishedSpeed] {
    var rows: [PublishedSpeed] = []
    for path in library.files(of: "speed") where path.hasSuffix("observations.json") {
      rows += try Self.rows(inFile: path, bytes: try ProfileLibrary.read(path))
    }
    return rows
  }

  static func rows(inFile path: String, bytes: [UInt8]) throws(ProfileError) -> [PublishedSpeed] {
    let root: JSON
    do { root = try JSON(parsing: bytes) } catch { throw .invalidJSON(path: path, error) }
    guard let list = root["rows"]?.arrayValue else {
      throw .invalidProfile(path: path, item: "rows", problem: "is missing or no list")
    }
    func names(_ key: String) -> [String] { root[key]?.arrayValue?.compactMap(\.stringValue) ?? [] }
    let lists = Lists(
      engines: names("engines"), machines: names("machines"), models: names("models"), variants: names("variants"),
      quantities: names("quantities"), sources: names("sources"))
    var rows: [PublishedSpeed] = []
    rows.reserveCapacity(list.count)
    for (index, row) in list.enumerated() {
      guard let values = row.arrayValue, let speed = lists.speed(values) else {
        throw .invalidProfile(path: path, item: "rows[\(index)]", problem: "is no row of the table")
      }
      rows.append(speed)
    }
    return rows
  }

  private struct Lists {
    var engines: [String]
    var machines: [String]
    var models: [String]
    var variants: [String]
    var quantities: [String]
    var sources: [String]

    func speed(_ values: [JSON]) -> PublishedSpeed? {
      guard values.count == 13, let rate = values[10].doubleValue, rate > 0 else { return nil }
      func name(_ list: [String], _ position: Int) -> String? {
        values[position].intValue.flatMap { list.indices.contains($0) ? list[$0] : nil }
      }
      func count(_ position: Int) -> Int? {
        values[position].intValue.flatMap { (0...10_000_000).contains($0) ? $0 : nil }
      }
      guard let engine = name(engines, 0).flatMap(Engine.init(rawValue:)), let machine = name(machines, 1),
        let model = name(models, 2), let variant = name(variants, 3),
        let quantity = name(quantities, 4).flatMap(SpeedObservation.Quantity.init(rawValue:)),
        let prompt = count(5), let generated = count(6), let earlier = count(7), let sequences = count(8),
        let threads = count(9), let source = name(sources, 11), let plain = count(12)
      else { return nil }
      return PublishedSpeed(
        engine: engine, machine: machine, model: model, variant: variant, quantity: quantity, promptTokens: prompt,
        generatedTokens: generated, earlierTokens: earlier, sequences: max(1, sequences),
        threads: threads > 0 ? threads : nil, hasPlainAttention: plain == 1, tokensPerSecond: rate, source: source)
    }
  }
}
