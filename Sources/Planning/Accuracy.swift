// SPDX-License-Identifier: Apache-2.0
internal import Compression
package import CostModel
internal import Dispatch
internal import Foundation
internal import Hardware
internal import LanguageModel
package import Profiles
internal import Quantities

/// How right the estimates are on machines that no coefficient was fitted to.
package struct AccuracyAnswer: Sendable {
  package var rows: [AccuracyRow]
  package var efficiencies: EngineEfficiencies
  package var validations: [CrossValidation]
  /// Speeds that other published figures contradict: predicted, but never fitted to.
  package var setAside: SetAside
  /// Published figures that could not be used, by quantity and reason.
  package var unused: [UnusedFigures]
  package var memories: [MemoryObservation]
  package var powers: PowerValidation
  /// What the intervals of memory and power are widened to.
  package var margins: ErrorMargins
}

/// Rows that other published figures contradict, and the scores with them.
package struct SetAside: Sendable {
  package var reasons: [UnusedFigures]
  /// All rows by quantity and device, those set aside among them.
  package var rows: [AccuracyRow]
}

/// Published figures that no prediction is held against, and why.
package struct UnusedFigures: Sendable {
  package var quantity: String
  package var reason: String
  package var count: Int

  init(_ quantity: String, _ leftOut: LeftOut) {
    self.quantity = quantity
    reason = leftOut.reason
    count = leftOut.count
  }
}

extension PlanningSession {
  package func efficiencies() throws(ProfileError) -> EngineEfficiencies { try EngineEfficiencies(library: library) }

  /// Refits every group of engines without each machine in turn and holds the predictions against what was measured.
  package func accuracy() throws -> AccuracyAnswer {
    let (validations, unused) = try speedValidations()
    let memories = try memoryObservations()
    let memoryValidation = MemoryValidation(memories.observations)
    let powers = try powerValidation()
    let qualities = try qualityValidations()
    let efficiencies = EngineEfficiencies(
      groups: Dictionary(uniqueKeysWithValues: validations.map { ($0.group, EngineEfficiencies.Group($0)) }))
    return AccuracyAnswer(
      rows: Self.table(validations) + Self.table(memoryValidation) + Self.table(powers.validation)
        + Self.table(qualities.rows),
      efficiencies: efficiencies,
      validations: validations,
      setAside: Self.doubted(validations),
      unused: unused.map { UnusedFigures("speed", $0) } + memories.unused
        + powers.unused
        + [
          UnusedFigures(
            "loss", LeftOut(reason: "variant that one model alone has figures of", count: qualities.alone))
        ], memories: memories.observations, powers: powers.validation,
      margins: ErrorMargins(memoryValidation, powers.validation))
  }

  /// Every group of engines on all its published speeds, and those that could not be used.
  func speedValidations() throws -> (validations: [CrossValidation], unused: [LeftOut]) {
    let speeds = try SpeedTable.contents(library)
    let builder = try ObservationBuilder(models: models(), machines: machines())
    let (observations, unused) = builder.observations(speeds.rows)
    let groups = Dictionary(grouping: observations) { EngineGroup($0.engine, $0.kind) }
    let present = EngineGroup.allCases.filter { groups[$0] != nil }
    return (
      Fitting.parallel(present.count) { CrossValidation(present[$0], groups[present[$0]] ?? []) },
      speeds.leftOut + unused
    )
  }
}

extension PublishedSpeed {
  fileprivate var label: String {
    let earlier = earlierTokens > 0 ? " after \(earlierTokens)" : ""
    let together = sequences > 1 ? ", \(sequences) sequences" : ""
    let shared = devices > 1 ? " on \(devices) devices" : ""
    return "\(model) \(variant), \(promptTokens)+\(generatedTokens) tokens\(earlier)\(together)\(shared)"
  }
}

extension PublishedSpeed {
  /// The devices that shared the model, as the engine does by itself; nil for one.
  fileprivate func group(of device: Accelerator) -> DeviceGroup? {
    guard devices > 1 else { return nil }
    let sharing = EngineRules.of(engine).sharing
    return DeviceGroup(
      parallel: sharing.dividesMatrices ? devices : 1, stages: sharing.dividesMatrices ? 1 : devices,
      link: .between(device.links), sharing: sharing)
  }
}

/// Turns published speeds into what the time model reads.
struct ObservationBuilder {
  /// How a processor's threads read: everything that the memory gives, what they reach of it, or that with pages spread
  /// over all nodes.
  enum Reads: String, CaseIterable { case everything, reached, spread }

  private let models: [String: ModelCatalogue.Entry]
  let machines: [String: HardwareProfile]
  private let reads: Reads

  init(models: ModelCatalogue, machines: MachineCatalogue, reads: Reads = .reached) {
    self.reads = reads
    self.models = Dictionary(models.entries.map { ($0.name, $0) }) { first, _ in first }
    self.machines = Dictionary(machines.machines.map { ($0.name, $0.profile) }) { first, _ in first }
  }

  func observations(_ rows: [PublishedSpeed]) -> ([SpeedObservation], [LeftOut]) {
    let descriptions = descriptions(rows.map(\.model))
    var observations: [SpeedObservation] = []
    var unused: [String: Int] = [:]
    for row in rows {
      guard let (description, census) = descriptions[row.model] ?? nil else {
        unused["model not in the catalogue", default: 0] += 1
        continue
      }
      switch observation(row, description, census) {
      case .success(let observation): observations.append(observation)
      case .failure(let failure): unused[failure.reason, default: 0] += 1
      }
    }
    return (observations, unused.map { LeftOut(reason: $0.key, count: $0.value) }.sorted { $0.reason < $1.reason })
  }

  /// Those of the catalogue, each with its census.
  func descriptions(_ models: [String]) -> [String: (LanguageModelDescription, TensorCensus)?] {
    let names = Array(Set(models)).sorted()
    let described = Fitting.parallel(names.count) { index in
      (names[index], self.models[names[index]].flatMap { try? $0.description() })
    }
    return Dictionary(
      uniqueKeysWithValues: described.map { name, value in
        (name, value.map { ($0, TensorCensus($0)) })
      })
  }

  private func observation(
    _ row: PublishedSpeed, _ description: LanguageModelDescription, _ census: TensorCensus
  ) -> Result<SpeedObservation, NoSpeed> {
    guard let machine = machines[row.machine] else { return .failure(NoSpeed("machine not in the catalogue")) }
    guard let variant = try? CompressionVariant(parsing: row.variant) else {
      return .failure(NoSpeed("variant not in the catalogue"))
    }
    let device = machine.accelerators.first
    let share = device.flatMap { row.group(of: $0) }
    let kind: DeviceKind =
      device == nil ? .processor : device?.hasUnifiedMemory == true ? .unified : share == nil ? .gpu : .gpus
    let rates: DeviceRates
    do { rates = try self.rates(machine, row) } catch { return .failure(error) }
    guard let group = EngineGroup(row.engine, kind) else { return .failure(NoSpeed("the built-in runtime")) }
    let summary = variant.summary(of: census)
    let together = Self.together(row, summary, description.architecture, device)
    var (passes, tokens, cached, leastBytes) = Self.passes(row, summary, description.architecture, together: together)
    if kind != .unified, let memory = device?.memoryTotal.value?.magnitude,
      summary.bytes.magnitude + cached > memory * Double(row.devices)
    {
      return .failure(NoSpeed("larger than the device: a part ran on a host that nobody described"))
    }
    for index in passes.indices { passes[index].work.hasPlainAttention = row.hasPlainAttention }
    let operations = passes.reduce(0) { $1.work.isPrompt ? $0 + $1.work.operations.sum() * $1.count : $0 }
    if row.quantity == .prefill, operations * row.tokensPerSecond / tokens > rates.matrixRate * Double(row.devices) {
      return .failure(NoSpeed("beyond the device's peak arithmetic rate: a cached prompt"))
    }
    // Devices that hold layers in turn read one after the other; a processor's caches may hold a small model.
    let peak = rates.bandwidth * Double(share?.parallel ?? 1)
    let isBeyond = kind != .processor && leastBytes * row.tokensPerSecond / tokens > peak
    return .success(
      SpeedObservation(
        engine: row.engine, machine: row.machine, kind: kind, classKey: group.classKey(row.engine, rates.deviceClass),
        rates: rates, quantity: row.quantity, label: row.label, passes: passes, tokens: tokens,
        rate: row.tokensPerSecond,
        rule: row.quantity == .decode ? 0.55 * rates.bandwidth / summary.bytes.magnitude : nil,
        setAside: row.setAside ?? (isBeyond ? "beyond the devices' peak bandwidth: drafts, or an emptier cache" : nil),
        group: share))
  }

  private func rates(_ machine: HardwareProfile, _ row: PublishedSpeed) throws(NoSpeed) -> DeviceRates {
    if let device = machine.accelerators.first { return try DeviceRates(device) }
    guard let peak = machine.memory.peakBandwidth.value?.magnitude else { throw NoSpeed("bandwidth not known") }
    let threads = row.threads ?? machine.processor.coreCount
    let reach = ProcessorReach(machine, threads: threads)
    let bandwidth =
      switch reads {
      case .everything: peak
      case .reached: reach.bandwidth(of: peak)
      case .spread: reach.bandwidth(of: peak) / reach.remoteFactor
      }
    return DeviceRates(
      machine.processor, vendor: machine.processor.vendor, threads: threads, bandwidth: bandwidth)
  }

  /// Sequences of a serving engine that run at once: as many as the room for the cache holds to their end; the others wait.
  private static func together(
    _ row: PublishedSpeed, _ summary: VariantSummary, _ architecture: ModelArchitecture, _ device: Accelerator?
  ) -> Int {
    guard let device, EngineRules.of(row.engine).sharing.dividesMatrices, row.sequences > 1 else {
      return row.sequences
    }
    let memory = ServingMemory(
      architecture, weights: summary.alignedBytes,
      Workload(contextTokens: row.promptTokens + row.generatedTokens, sequences: row.sequences),
      EngineMemory.Placement(isOnDevice: true, devices: row.devices, deviceMemory: device.memoryTotal.value))
    return max(1, min(row.sequences, memory.concurrency ?? row.sequences))
  }

  /// The passes of a measurement, the tokens it counts, the bytes of its cache, and those that its steps read at least,
  /// where all sequences of a mixture meet the same experts.
  private static func passes(
    _ row: PublishedSpeed, _ summary: VariantSummary, _ architecture: ModelArchitecture, together: Int
  ) -> (passes: [(work: PassWork, count: Double)], tokens: Double, cached: Double, leastBytes: Double) {
    func model(prompt: Int, generated: Int = 0, sequences: Int = 1) -> ModelWork {
      ModelWork(
        architecture,
        Workload(
          promptTokens: prompt, generatedTokens: generated, contextTokens: prompt + generated + 1, sequences: sequences)
      )
    }
    func leastBytes(_ work: VariantWork, _ model: ModelWork, _ step: PassWork) -> Double {
      PassWork.step(work, model, by: row.engine, together: 1).weightBytes + step.cacheBytes
    }
    switch row.quantity {
    case .decode:
      let model = model(
        prompt: max(1, row.earlierTokens), generated: row.generatedTokens, sequences: row.sequences)
      let work = VariantWork(summary, model)
      let step = PassWork.step(work, model, by: row.engine)
      return ([(step, 1)], step.tokens, step.cacheBytes, leastBytes(work, model, step))
    case .prefill:
      let whole = model(prompt: row.promptTokens + row.earlierTokens)
      let before = row.earlierTokens > 0 ? model(prompt: row.earlierTokens).promptAttentionOperations : 0
      let pass = PassWork.prompt(
        VariantWork(summary, whole), whole, by: row.engine, earlierOperations: before, tokens: row.promptTokens)
      return ([(pass, 1)], pass.tokens, whole.cacheBytesRead, 0)
    case .request:
      let steps = model(prompt: row.promptTokens, generated: row.generatedTokens, sequences: row.sequences)
      let work = VariantWork(summary, steps)
      let step = PassWork.step(work, steps, by: row.engine, together: together)
      let count = Double(row.generatedTokens) * Double(row.sequences) / Double(together)
      let tokens = Double((row.promptTokens + row.generatedTokens) * row.sequences)
      return (
        [(PassWork.prompt(work, steps, by: row.engine), Double(row.sequences)), (step, count)], tokens,
        step.cacheBytes, count * leastBytes(work, steps, step)
      )
    }
  }
}
