// SPDX-License-Identifier: Apache-2.0
package import CostModel

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
  /// Why nothing is fitted to it: other published figures contradict it. Nil for a row like any other.
  package var setAside: String?
  /// Equal devices that shared the model.
  package var devices: Int
}

/// The published speeds that the coefficients were fitted to. Read for `accuracy` alone.
package enum SpeedTable {
  package struct Contents: Sendable {
    package var rows: [PublishedSpeed] = []
    package var leftOut: [LeftOut] = []
  }

  /// - Throws: ``ProfileError`` naming the file and the row.
  package static func contents(_ library: ProfileLibrary) throws(ProfileError) -> Contents {
    var contents = Contents()
    for path in library.files(of: "speed") where path.hasSuffix("observations.json") {
      let table = try IndexedTable(path, bytes: try ProfileLibrary.read(path))
      contents.leftOut += table.leftOut
      contents.rows += try table.rows { row in published(row) }
    }
    return contents
  }

  private static func published(_ row: IndexedTable.Row) -> PublishedSpeed? {
    guard row.count == 15, let rate = row.number(10), rate > 0,
      let engine = row.name("engines", 0).flatMap(Engine.init(rawValue:)), let machine = row.name("machines", 1),
      let model = row.name("models", 2), let variant = row.name("variants", 3),
      let quantity = row.name("quantities", 4).flatMap(SpeedObservation.Quantity.init(rawValue:)),
      let prompt = row.whole(5), let generated = row.whole(6), let earlier = row.whole(7),
      let sequences = row.whole(8), let threads = row.whole(9), let source = row.name("sources", 11),
      let plain = row.whole(12), let setAside = row.name("setAside", 13), let devices = row.whole(14)
    else { return nil }
    return PublishedSpeed(
      engine: engine, machine: machine, model: model, variant: variant, quantity: quantity, promptTokens: prompt,
      generatedTokens: generated, earlierTokens: earlier, sequences: max(1, sequences),
      threads: threads > 0 ? threads : nil, hasPlainAttention: plain == 1, tokensPerSecond: rate, source: source,
      setAside: setAside.isEmpty ? nil : setAside, devices: max(1, devices))
  }
}
