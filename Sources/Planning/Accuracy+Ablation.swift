// SPDX-License-Identifier: Apache-2.0
package import CostModel
internal import Profiles

/// What becomes of the scores without parts of the model or of the data, and of the coverage by other rules.
package struct AblationAnswer: Sendable {
  package var rows: [AblationRow]
  package var coverage: [CoverageRow]
}

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
  /// The scores again, without each term, without each engine's or machine's rows, with those that were set aside, and with
  /// what nobody can know; and the coverage of the intervals.
  package func ablation() throws -> AblationAnswer {
    let validations = try speedValidations().validations
    let memories = MemoryValidation(try memoryObservations().observations)
    let coverage =
      try Self.coverage(validations) + Self.coverage(memories) + Self.coverage(powerValidation().validation)
      + Self.coverage(qualityValidations().rows)
    return AblationAnswer(rows: try ablationRows(validations), coverage: coverage)
  }

  private func ablationRows(_ validations: [CrossValidation]) throws -> [AblationRow] {
    let observations = try fittedObservations()
    let groups = Dictionary(grouping: observations) { EngineGroup($0.engine, $0.kind) }
    let present = EngineGroup.allCases.filter { groups[$0] != nil }
    func errors(_ term: SpeedTerm) -> [ScoredSpeed] {
      Fitting.parallel(present.count) { CrossValidation(present[$0], groups[present[$0]] ?? [], without: term) }
        .flatMap(\.rows).map(ScoredSpeed.init)
    }
    let ofOne = validations.flatMap(\.rows).filter { $0.observation.group == nil }
    let whole = ofOne.filter(\.observation.isFitted).map(ScoredSpeed.init)
    var rows = Self.rows(whole, "nothing")
    for term in SpeedTerm.allCases { rows += Self.rows(errors(term), "without \(term.rawValue)") }
    return Self.sorted(
      try rows + readRows(whole) + Self.dataRows(whole) + Self.setAsideRows(ofOne, whole) + Self.knownRows(whole))
  }

  private func fittedObservations(_ reads: ObservationBuilder.Reads = .reached) throws -> [SpeedObservation] {
    let builder = try ObservationBuilder(models: models(), machines: machines(), reads: reads)
    return builder.observations(try SpeedTable.contents(library).rows).0.filter(\.isFitted)
  }

  /// Scores of processors when nothing limits what threads read, and with pages on all nodes that they stand on.
  private func readRows(_ whole: [ScoredSpeed]) throws -> [AblationRow] {
    let others = whole.filter { speed in
      let group = Engine(rawValue: speed.engine).flatMap { EngineGroup($0, .processor) }
      return speed.kind == .processor && group != .processors
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
    cells(whole).flatMap { cell -> [AblationRow] in
      let engines = Set(cell.speeds.map(\.engine)).sorted()
      let single = engines.compactMap { engine in cell.row("without rows of \(engine)") { $0.engine != engine } }
      let machines = Set(cell.speeds.map(\.machine)).sorted().compactMap { machine in
        cell.row("without \(machine)") { $0.machine != machine }
      }
      return single + [machines.min { $0.p90AbsoluteError < $1.p90AbsoluteError }].compactMap { $0 }
    }
  }

  /// Scores with the rows that other published figures contradict, those of one reason at a time and all of them.
  private static func setAsideRows(_ all: [CrossValidation.Row], _ whole: [ScoredSpeed]) -> [AblationRow] {
    let before = rows(whole, "")
    func with(_ change: String, _ isWanted: (String) -> Bool) -> [AblationRow] {
      let added = all.filter { $0.observation.setAside.map(isWanted) ?? false }.map(ScoredSpeed.init)
      return rows(whole + added, change).filter { row in
        !before.contains { ($0.quantity, $0.deviceClass, $0.count) == (row.quantity, row.deviceClass, row.count) }
      }
    }
    let reasons = Set(all.compactMap(\.observation.setAside)).sorted()
    return reasons.flatMap { reason in
      with("with rows set aside, \(reason.prefix { $0 != ":" })") { $0 == reason }
    } + with("with all rows that were set aside") { _ in true }
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

  private static func cells(_ speeds: [ScoredSpeed]) -> [ScoredCell] {
    Set(speeds.map(\.quantity)).sorted().flatMap { quantity in
      (DeviceScope.single + [.oneDevice]).map { scope in
        ScoredCell(
          quantity: quantity, device: scope.name, speeds: scope.own(speeds.filter { $0.quantity == quantity }, \.kind))
      }
    }
  }

  private static func rows(_ speeds: [ScoredSpeed], _ change: String) -> [AblationRow] {
    cells(speeds).compactMap { $0.row(change) }
  }

  /// By cell, in the order in which they came.
  private static func sorted(_ rows: [AblationRow]) -> [AblationRow] {
    let groups = Dictionary(grouping: rows) { "\($0.quantity)|\($0.deviceClass)" }
    return groups.sorted { $0.key < $1.key }.flatMap(\.value)
  }
}

/// Speeds whose errors make one row.
private struct ScoredCell {
  var quantity: String
  var device: String
  var speeds: [ScoredSpeed]

  /// Nil without a speed.
  func row(_ change: String, _ isWanted: (ScoredSpeed) -> Bool = { _ in true }) -> AblationRow? {
    let errors = speeds.filter(isWanted).map { abs($0.ratio - 1) }
    guard !errors.isEmpty else { return nil }
    return AblationRow(
      quantity: quantity, deviceClass: device, change: change, count: errors.count,
      medianAbsoluteError: AccuracyRow.quantile(errors, 0.5), p90AbsoluteError: AccuracyRow.quantile(errors, 0.9))
  }
}

/// A predicted speed, reduced to what scores need.
private struct ScoredSpeed {
  var quantity: String
  var kind: DeviceKind
  var engine: String
  var machine: String
  var label: String
  /// Predicted over measured.
  var ratio: Double

  init(_ row: CrossValidation.Row) {
    quantity = row.observation.quantity.rawValue
    kind = row.observation.kind
    engine = row.observation.engine.rawValue
    machine = row.observation.machine
    label = row.observation.label
    ratio = row.predicted / row.observation.rate
  }
}
