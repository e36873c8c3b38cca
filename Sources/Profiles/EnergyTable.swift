// SPDX-License-Identifier: Apache-2.0
package import CostModel

/// A published power as the table has it: names that the catalogues know.
package struct PublishedPower: Sendable {
  package var machine: String
  package var scope: String
  package var engine: Engine
  package var model: String
  package var variant: String
  package var promptTokens: Int
  package var generatedTokens: Int
  package var sequences: Int
  package var tokensPerSecond: Double
  package var watts: Double
  package var source: String
}

/// The published powers that the coefficients were fitted to. Read for `accuracy` alone.
package enum EnergyTable {
  package struct Contents: Sendable {
    package var rows: [PublishedPower] = []
    package var leftOut: [LeftOut] = []
  }

  /// - Throws: ``ProfileError`` naming the file and the row.
  package static func contents(_ library: ProfileLibrary) throws(ProfileError) -> Contents {
    var contents = Contents()
    for path in library.files(of: "energy") {
      let table = try IndexedTable(path, bytes: try ProfileLibrary.read(path))
      contents.leftOut += table.leftOut
      contents.rows += try table.rows { row in published(row) }
    }
    return contents
  }

  private static func published(_ row: IndexedTable.Row) -> PublishedPower? {
    guard row.count == 11, let machine = row.name("machines", 0), let scope = row.name("scopes", 1),
      let engine = row.name("engines", 2).flatMap(Engine.init(rawValue:)), let model = row.name("models", 3),
      let variant = row.name("variants", 4), let prompt = row.whole(5), let generated = row.whole(6),
      let sequences = row.whole(7), let rate = row.number(8), let watts = row.number(9), rate > 0, watts > 0,
      let source = row.name("sources", 10)
    else { return nil }
    return PublishedPower(
      machine: machine, scope: scope, engine: engine, model: model, variant: variant, promptTokens: max(1, prompt),
      generatedTokens: max(1, generated), sequences: max(1, sequences), tokensPerSecond: rate, watts: watts,
      source: source)
  }
}
