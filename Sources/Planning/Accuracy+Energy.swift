// SPDX-License-Identifier: Apache-2.0
internal import Compression
package import CostModel
internal import Hardware
internal import LanguageModel
internal import Profiles
internal import Quantities

extension PlanningSession {
  /// Refits the power without each machine in turn and holds the predictions against what was measured.
  package func powerValidation() throws -> (validation: PowerValidation, unused: [UnusedFigures]) {
    let contents = try EnergyTable.contents(library)
    let builder = try ObservationBuilder(models: models(), machines: machines())
    let described = builder.descriptions(contents.rows.map(\.model))
    var unknown = 0
    let observations = contents.rows.compactMap { row -> PowerObservation? in
      guard let (description, census) = described[row.model] ?? nil,
        let observation = builder.power(row, description, census)
      else {
        unknown += 1
        return nil
      }
      return observation
    }
    var unused = contents.leftOut.map { UnusedFigures("energy", $0) }
    if unknown > 0 {
      unused.append(UnusedFigures("energy", LeftOut(reason: "machine or variant not in the catalogue", count: unknown)))
    }
    return (PowerValidation(observations), unused)
  }

  /// Rows by engine and scope; energy per token at the measured rate, so that errors of the speed stay out of it.
  static func table(_ validation: PowerValidation) -> [AccuracyRow] {
    func row(_ engine: String, _ scope: String, _ wanted: (PowerObservation) -> Bool) -> AccuracyRow? {
      AccuracyRow(
        engine: engine, deviceClass: scope, quantity: "energy",
        validation.rows.filter { wanted($0.observation) }.map(\.accuracyCase))
    }
    let scopes = Set(validation.rows.map(\.observation.scope)).sorted()
    let single = scopes.flatMap { scope in
      Engine.allCases.compactMap { engine in row(engine.rawValue, scope) { $0.engine == engine && $0.scope == scope } }
    }
    return single + [row("all", "all", { _ in true })].compactMap { $0 }
  }
}

extension ObservationBuilder {
  fileprivate func power(
    _ row: PublishedPower, _ description: LanguageModelDescription, _ census: TensorCensus
  ) -> PowerObservation? {
    guard let machine = machines[row.machine], let variant = try? CompressionVariant(parsing: row.variant),
      let facts = Self.facts(machine)
    else { return nil }
    let workload = Workload(
      promptTokens: row.promptTokens, generatedTokens: row.generatedTokens,
      contextTokens: row.promptTokens + row.generatedTokens + 1, sequences: row.sequences)
    let model = ModelWork(description.architecture, workload)
    let work = VariantWork(variant.summary(of: census), model)
    let step = PassWork.step(work, model, by: row.engine)
    let prompt = PassWork.prompt(work, model, by: row.engine)
    let steps = row.tokensPerSecond / Double(row.sequences)
    // Prompts are taken in at the pace at which answers leave.
    let prompts = row.tokensPerSecond / Double(row.generatedTokens)
    return PowerObservation(
      machine: row.machine, scope: row.scope, engine: row.engine,
      label: "\(row.engine.rawValue) \(row.model) \(row.variant), \(row.sequences) sequences", facts: facts,
      bytes: steps * (step.weightBytes + step.cacheBytes),
      operations: steps * step.operations.sum() + prompts * prompt.operations.sum(), watts: row.watts,
      tokensPerSecond: row.tokensPerSecond)
  }

  private static func facts(_ machine: HardwareProfile) -> PowerFacts? {
    let device = machine.accelerators.first
    guard let limit = (device?.power ?? machine.power).thermalDesign.value else { return nil }
    return PowerFacts(
      idleWatts: (device?.power ?? machine.power).idle.value?.watts, limitWatts: limit.watts,
      memoryTechnology: device?.memoryTechnology ?? machine.memory.technology)
  }
}
