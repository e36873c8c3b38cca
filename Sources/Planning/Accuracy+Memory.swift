// SPDX-License-Identifier: Apache-2.0
internal import Compression
package import CostModel
internal import LanguageModel
package import Profiles
internal import Quantities

extension PlanningSession {
  /// The published memory figures with the models they belong to.
  package func memoryObservations() throws(ProfileError) -> (observations: [MemoryObservation], unused: [UnusedFigures])
  {
    let contents = try MemoryTable.contents(library)
    let models = try models()
    var descriptions: [String: (LanguageModelDescription, TensorCensus)] = [:]
    for name in Set(contents.rows.map(\.model)) {
      guard let description = try? models.entries.first(where: { $0.name == name })?.description() else { continue }
      descriptions[name] = (description, TensorCensus(description))
    }
    var unknown = 0
    let observations = contents.rows.compactMap { row -> MemoryObservation? in
      guard let (description, census) = descriptions[row.model],
        let variant = try? CompressionVariant(parsing: row.variant)
      else {
        unknown += 1
        return nil
      }
      return MemoryObservation(row, description.architecture, weights: variant.summary(of: census).alignedBytes)
    }
    var unused = contents.leftOut.map { UnusedFigures("memory", $0) }
    if unknown > 0 {
      unused.append(UnusedFigures("memory", LeftOut(reason: "model or variant not in the catalogue", count: unknown)))
    }
    return (observations, unused)
  }

  /// Rows by engine and component, then those of all.
  static func table(_ memories: MemoryValidation) -> [AccuracyRow] {
    func row(_ engine: String, _ component: String, _ wanted: (MemoryObservation) -> Bool) -> AccuracyRow? {
      AccuracyRow(
        engine: engine, deviceClass: component, quantity: "memory",
        memories.cases.filter { wanted($0.observation) }.map(\.accuracy))
    }
    var rows: [AccuracyRow] = []
    for engine in Engine.allCases {
      for component in MemoryObservation.Component.allCases {
        let wanted = { (memory: MemoryObservation) in memory.engine == engine && memory.component == component }
        rows += [row(engine.rawValue, component.rawValue, wanted)].compactMap { $0 }
      }
      rows += [row(engine.rawValue, "all", { $0.engine == engine })].compactMap { $0 }
    }
    return rows + [row("all", "all", { _ in true })].compactMap { $0 }
  }
}

extension MemoryObservation {
  fileprivate init(_ row: PublishedMemory, _ architecture: ModelArchitecture, weights: ByteCount) {
    self.init(
      engine: row.engine, model: row.model,
      label: "\(row.engine.rawValue) \(row.model) \(row.variant), \(row.workload.contextTokens) tokens",
      component: row.component, architecture: architecture, weights: weights, workload: row.workload,
      placement: row.placement, measured: row.measured)
  }
}
