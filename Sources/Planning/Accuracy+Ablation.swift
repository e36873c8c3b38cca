// SPDX-License-Identifier: Apache-2.0
internal import CostModel
internal import Profiles

/// What becomes of the scores without a term of the model, without a part of the data, or with more known than can be.
package struct AblationRow: Sendable {
  package var quantity: String
  package var deviceClass: String
  /// What was taken away or given.
  package var change: String
  package var count: Int
  package var medianAbsoluteError: Double
  package var p90AbsoluteError: Double
}

extension PlanningSession {
  /// The scores of speed again: without each term, without each engine's or machine's rows, and with what nobody can know.
  package func ablation() throws -> [AblationRow] {
    let observations = try fittedObservations()
    let groups = Dictionary(grouping: observations) { EngineGroup($0.engine, $0.kind) }
    let present = EngineGroup.allCases.filter { groups[$0] != nil }
    func errors(_ term: SpeedTerm?) -> [ScoredSpeed] {
      Fitting.parallel(present.count) { CrossValidation(present[$0], groups[present[$0]] ?? [], without: term) }
        .flatMap(\.rows).map(ScoredSpeed.init)
    }
    let whole = errors(nil)
    var rows = Self.rows(whole, "nothing")
    for term in SpeedTerm.allCases { rows += Self.rows(errors(term), "without \(term.rawValue)") }
    return Self.sorted(try rows + readRows(whole) + Self.dataRows(whole) + Self.knownRows(whole))
  }

  private func fittedObservations(_ reads: ObservationBuilder.Reads = .reached) throws -> [SpeedObservation] {
    let builder = try ObservationBuilder(models: models(), machines: machines(), reads: reads)
    return builder.observations(try SpeedTable.contents(library).rows).0.filter(\.isFitted)
  }

  /// Scores of processors when nothing limits what threads read, and with pages on all nodes that they stand on.
  private func readRows(_ whole: [ScoredSpeed]) throws -> [AblationRow] {
    let others = whole.filter { speed in
      let group = Engine(rawValue: speed.engine).flatMap { EngineGroup($0, .processor) }
      return speed.kind == DeviceKind.processor.rawValue && group != .processors
    }
    return try [
      (ObservationBuilder.Reads.everything, "without what threads reach"), (.spread, "with pages on all nodes"),
    ]
    .flatMap { reads, change in
      let observations = try fittedObservations(reads).filter { EngineGroup($0.engine, $0.kind) == .processors }
      return Self.rows(CrossValidation(.processors, observations).rows.map(ScoredSpeed.init) + others, change)
    }
  }

  /// Scores without each engine's rows, and without those of the machine that the ninth decile owes most to.
  private static func dataRows(_ whole: [ScoredSpeed]) -> [AblationRow] {
    cells(whole).flatMap { own -> [AblationRow] in
      let engines = Set(own.map(\.engine)).sorted()
      let single = engines.flatMap { engine in rows(own.filter { $0.engine != engine }, "without rows of \(engine)") }
      let machines = Set(own.map(\.machine)).sorted().flatMap { machine in
        rows(own.filter { $0.machine != machine }, "without \(machine)")
      }
      return single + [machines.min { $0.p90AbsoluteError < $1.p90AbsoluteError }].compactMap { $0 }
    }
  }

  /// Scores when each pair of engine and machine has a factor of its own, and how far reports of one configuration differ.
  private static func knownRows(_ whole: [ScoredSpeed]) -> [AblationRow] {
    let pairs = within(whole) { "\($0.quantity)|\($0.kind)|\($0.engine)|\($0.machine)" }
    let reports = within(whole) { "\($0.quantity)|\($0.kind)|\($0.engine)|\($0.machine)|\($0.label)" }
    return rows(pairs, "with a factor for each engine on each machine, from its other rows")
      + rows(reports, "one report against the median of the others of its configuration")
  }

  /// Errors about the median of the others that share a key; a key of one row tells nothing.
  private static func within(_ speeds: [ScoredSpeed], _ key: (ScoredSpeed) -> String) -> [ScoredSpeed] {
    Dictionary(grouping: speeds, by: key).values.filter { $0.count > 1 }.flatMap { group in
      group.indices.map { index in
        var (speed, others) = (group[index], group.map(\.ratio))
        others.remove(at: index)
        speed.ratio /= AccuracyRow.quantile(others, 0.5)
        return speed
      }
    }
  }

  private static func cells(_ speeds: [ScoredSpeed]) -> [[ScoredSpeed]] {
    let groups = Dictionary(grouping: speeds) { "\($0.quantity)|\($0.kind)" }
    return groups.sorted { $0.key < $1.key }.map(\.value)
  }

  private static func rows(_ speeds: [ScoredSpeed], _ change: String) -> [AblationRow] {
    cells(speeds).compactMap { own in
      guard let first = own.first else { return nil }
      let errors = own.map { abs($0.ratio - 1) }
      return AblationRow(
        quantity: first.quantity, deviceClass: first.kind, change: change, count: own.count,
        medianAbsoluteError: AccuracyRow.quantile(errors, 0.5), p90AbsoluteError: AccuracyRow.quantile(errors, 0.9))
    }
  }

  /// By cell, in the order in which they came.
  private static func sorted(_ rows: [AblationRow]) -> [AblationRow] {
    let groups = Dictionary(grouping: rows) { "\($0.quantity)|\($0.deviceClass)" }
    return groups.sorted { $0.key < $1.key }.flatMap(\.value)
  }
}

/// A predicted speed, reduced to what scores need.
private struct ScoredSpeed {
  var quantity: String
  var kind: String
  var engine: String
  var machine: String
  var label: String
  /// Predicted over measured.
  var ratio: Double

  init(_ row: CrossValidation.Row) {
    quantity = row.observation.quantity.rawValue
    kind = row.observation.kind.rawValue
    engine = row.observation.engine.rawValue
    machine = row.observation.machine
    label = row.observation.label
    ratio = row.predicted / row.observation.rate
  }
}
