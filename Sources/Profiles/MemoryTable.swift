// SPDX-License-Identifier: Apache-2.0
package import CostModel
internal import JSONText
package import Quantities

/// A published memory figure as the table has it: names that the catalogues know.
package struct PublishedMemory: Sendable {
  package var engine: Engine
  package var model: String
  package var variant: String
  package var component: MemoryObservation.Component
  package var workload: Workload
  package var placement: EngineMemory.Placement
  package var measured: ByteCount
  package var source: String
}

/// The published memory figures that the engines' rules are held against. Read for `accuracy` alone.
package enum MemoryTable {
  package struct Contents: Sendable {
    package var rows: [PublishedMemory] = []
    package var leftOut: [LeftOut] = []
  }

  /// - Throws: ``ProfileError`` naming the file and the row.
  package static func contents(_ library: ProfileLibrary) throws(ProfileError) -> Contents {
    var contents = Contents()
    for path in library.files(of: "memory") {
      let table = try IndexedTable(path, bytes: try ProfileLibrary.read(path))
      contents.leftOut += table.leftOut
      contents.rows += try table.rows { row in published(row) }
    }
    return contents
  }

  private static let components: [String: MemoryObservation.Component] = [
    "weights": .weights, "cache": .cache, "compute": .compute, "activations": .activations, "room": .room,
    "total": .total,
  ]

  private static func published(_ row: IndexedTable.Row) -> PublishedMemory? {
    guard row.count == 17, let engine = row.name("engines", 0).flatMap(Engine.init(rawValue:)),
      let model = row.name("models", 1), let variant = row.name("variants", 2),
      let component = row.name("components", 3).flatMap({ components[$0] }), let prompt = row.whole(4),
      let context = row.whole(5), let sequences = row.whole(6), let batch = row.whole(7),
      let format = row.name("formats", 8).flatMap(KeyValueFormat.init(rawValue:)), let flash = row.whole(9),
      let onDevice = row.whole(10), let devices = row.whole(11), let share = row.number(12),
      let memory = row.number(13), let logits = row.whole(14), let measured = row.number(15),
      measured > 0, let source = row.name("sources", 16)
    else { return nil }
    var placement = EngineMemory.Placement(
      isOnDevice: onDevice == 1, devices: devices, deviceMemory: memory > 0 ? .mebibytes(memory) : nil)
    if share > 0 { placement.share = share }
    placement.keepsPromptLogits = logits == 1
    return PublishedMemory(
      engine: engine, model: model, variant: variant, component: component,
      workload: Workload(
        promptTokens: prompt, generatedTokens: 0, contextTokens: max(1, context), sequences: max(1, sequences),
        keyValueFormat: format, microBatch: max(1, batch), hasFlashAttention: flash == 1),
      placement: placement, measured: .mebibytes(measured), source: source)
  }
}
