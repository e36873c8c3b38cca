// SPDX-License-Identifier: Apache-2.0
internal import Quantities

/// The energy of a model over its places: devices for the whole time, and the processor while its part is on it.
struct PlacedEnergy {
  /// What a pass moves and computes, on the devices or where the processor does everything, and beside them.
  struct Work: Sendable, Equatable {
    var main: EnergyModel.Work
    var beside: EnergyModel.Work?
  }

  let main: EnergyModel
  /// The processor beside devices; nil where it does nothing of the model.
  let beside: EnergyModel?
  private let distribution: Distribution?
  private let engine: Engine

  /// - Parameter threads: those of the phase, where the processor computes.
  init(_ platform: Platform, _ distribution: Distribution?, threads: Int) {
    self.distribution = distribution
    engine = platform.engine
    main = distribution.map { platform.energy($0, threads: threads) } ?? platform.processorEnergy(threads: threads)
    let isSplit = distribution.map { $0.usesDevices && $0.usesProcessor } ?? false
    beside = isSplit ? platform.processorEnergy(threads: threads) : nil
  }

  /// Of a step and of the prompt.
  func work(_ variant: VariantWork, _ model: ModelWork) -> (step: Work, prompt: Work) {
    let (main, rest) = portions
    func step(_ portion: WorkPortion) -> EnergyModel.Work { .init(.step(variant, model, by: engine, portion)) }
    func prompt(_ portion: WorkPortion) -> EnergyModel.Work { .init(.prompt(variant, model, by: engine, portion)) }
    return (Work(main: step(main), beside: rest.map(step)), Work(main: prompt(main), beside: rest.map(prompt)))
  }

  private var portions: (main: WorkPortion, rest: WorkPortion?) {
    guard beside != nil, let distribution else { return (.whole, nil) }
    return (distribution.onDevices, distribution.onProcessor)
  }

  /// Joules for one of the tokens that a pass yields.
  func perToken(_ work: Work, _ seconds: Known<Seconds>, _ time: PhaseTime?, tokens: Double) -> Known<Energy> {
    let all = main.perToken(work.main, seconds: seconds, tokens: tokens)
    guard let beside, let rest = work.beside, let time else { return all }
    // Devices wait while the processor works, so their time is the whole.
    let share = time.onProcessor / max(time.total, .leastNormalMagnitude)
    return (all + beside.perToken(rest, seconds: seconds.map { $0 * share }, tokens: tokens))
      .told(from: "\(main.source); the processor: \(beside.source)")
  }
}
