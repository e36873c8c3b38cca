// SPDX-License-Identifier: Apache-2.0
import CostModel
import Hardware
import Quantities
import Testing

/// Intervals from the errors of machines that were left out, and what stays out of a fit.
@Suite struct ErrorTableTests {
  private static func entries(_ errors: [Double], machine: (Int) -> String) -> [ErrorTable.Entry] {
    errors.enumerated().map {
      ErrorTable.Entry(machine: machine($0), classKey: "one", kind: .gpu, quantity: .decode, error: $1)
    }
  }

  /// From -0.4 to 0.4.
  private static func scattered(_ index: Int, of count: Int) -> Double {
    Double(index) / Double(count - 1) * 0.8 - 0.4
  }

  @Test func `an interval covers nine in ten machines of an even scatter, and not all of a long tail`() {
    // 40 errors from -0.4 to 0.4, and one machine far out.
    var errors: [Double] = (0..<40).map { Self.scattered($0 * 17 % 40, of: 40) }
    errors.append(5)
    let interval = ErrorTable(Self.entries(errors) { "machine \($0)" }).interval("one", .gpu, .decode)
    let (low, high) = (Logarithm.natural(interval.low), Logarithm.natural(interval.high))
    let inside = errors.filter { $0 >= low && $0 <= high }.count
    #expect(Double(inside) >= 0.9 * Double(errors.count))
    #expect(high < 1, "one machine in 41 does not decide: \(high)")
  }

  @Test func `a class of few machines takes the errors of its kind, not of all kinds`() {
    func entries(_ kind: DeviceKind, _ classKey: String, _ count: Int, _ width: Double) -> [ErrorTable.Entry] {
      (0..<count).map { index in
        ErrorTable.Entry(
          machine: "\(kind) \(classKey) \(index)", classKey: classKey, kind: kind, quantity: .decode,
          error: width * Self.scattered(index * 7 % count, of: count))
      }
    }
    let table = ErrorTable(
      entries(.gpu, "cards", 24, 3) + entries(.unified, "usual", 12, 0.5) + entries(.unified, "new", 3, 0.5))
    let narrow = table.interval("new", .unified, .decode)
    #expect(narrow.width < table.interval("cards", .gpu, .decode).width.squareRoot(), "\(narrow)")
    // A kind of which nobody measured enough takes all.
    #expect(table.interval("new", .processor, .decode).width > narrow.width)
    #expect(table.interval("cards", .gpus, .decode) == table.interval("cards", .gpu, .decode))
  }

  @Test func `what is said of a machine does not hang on its own errors`() {
    let errors: [Double] = (0..<24).map { Self.scattered($0 * 7 % 24, of: 24) }
    let usual = ErrorTable(Self.entries(errors) { "machine \($0 / 2)" })
    var changed = errors
    changed[6] = 9
    changed[7] = -9
    let odd = ErrorTable(Self.entries(changed) { "machine \($0 / 2)" })
    #expect(
      usual.interval("one", .gpu, .decode, without: "machine 3")
        == odd.interval("one", .gpu, .decode, without: "machine 3"))
    #expect(usual.interval("one", .gpu, .decode) != odd.interval("one", .gpu, .decode))
  }

  @Test func `few machines that differ ask for more than they show`() {
    // Six machines of one error each: without either end the other five do not reach it.
    let errors = [-0.5, -0.3, -0.1, 0.1, 0.3, 0.5]
    let interval = ErrorTable(Self.entries(errors) { "machine \($0)" }).interval("one", .gpu, .decode)
    #expect(Logarithm.natural(interval.low) < -0.5 && Logarithm.natural(interval.high) > 0.5)
  }

  private static func entries(
    _ kind: DeviceKind, _ classKey: String, machines: Range<Int>, _ errors: (Int) -> [Double]
  ) -> [ErrorTable.Entry] {
    machines.flatMap { machine in
      errors(machine).map {
        ErrorTable.Entry(
          machine: "machine \(machine)", classKey: classKey, kind: kind, quantity: .decode, error: $0)
      }
    }
  }

  @Test func `several devices take their own errors from five machines on, else those of one and of several together`()
  {
    let one = Self.entries(.gpu, "cards", machines: 0..<20) { [0.8 * Self.scattered($0 * 7 % 20, of: 20)] }
    func several(_ machines: Int) -> ErrorTable {
      ErrorTable(one + Self.entries(.gpus, "cards", machines: 0..<machines) { [0.02, 0.04 + 0.001 * Double($0)] })
    }
    let alone = ErrorTable(one).interval("cards", .gpu, .decode)
    for table in [several(4), several(5)] {
      // One device never takes the errors of several.
      #expect(table.interval("cards", .gpu, .decode) == alone)
    }
    #expect(several(5).interval("cards", .gpus, .decode).width < 1.2)
    #expect(several(4).interval("cards", .gpus, .decode).width > 1.5)
    // The scored machine is none of the five.
    #expect(several(5).interval("cards", .gpus, .decode, without: "machine 0").width > 1.5)
    #expect(several(6).interval("cards", .gpus, .decode, without: "machine 0").width < 1.2)
    // Of another class nobody tells several.
    #expect(several(5).interval("others", .gpus, .decode).width > 1.5)
  }

  @Test func `few machines tell how far errors reach but not to which side, and one tells nothing of another`() {
    func interval(_ machines: Int) -> ErrorInterval {
      ErrorTable(Self.entries(.gpu, "cards", machines: 0..<machines) { _ in [0.2, 0.3] })
        .interval("cards", .gpu, .decode)
    }
    for machines in 2...4 {
      #expect(abs(Logarithm.natural(interval(machines).high) - 0.3) < 1e-12)
      #expect(abs(Logarithm.natural(interval(machines).low) + 0.3) < 1e-12)
    }
    #expect(interval(1) == ErrorInterval(low: 0.5, high: 2) && interval(0) == interval(1))
  }

  @Test(arguments: 0...12)
  func `errors that all lie to one side still leave the predicted value inside`(machines: Int) {
    let entries = Self.entries(.gpu, "cards", machines: 0..<machines) { [0.3 + 0.01 * Double($0), 0.5] }
    let interval = ErrorTable(entries).interval("cards", .gpu, .decode)
    #expect(interval.low <= 1 && interval.high > 1, "\(interval)")
  }

  @Test func `errors of several devices are known to intervals, and to no coefficient`() throws {
    var rows = try CrossValidationTests.observations(machines: 8) { _ in 1 }
    let link = PlaceLink(bandwidth: 25e9, isDirect: false, doubt: 1.5, source: "")
    let sharing = EngineRules.of(.llamaCpp).sharing
    let single = CrossValidation(.devices, rows)
    rows += rows.map { row in
      var row = row
      row.kind = .gpus
      row.group = DeviceGroup(parallel: 1, stages: 2, link: link, sharing: sharing)
      return row
    }
    let both = CrossValidation(.devices, rows)
    #expect(both.parameters.values == single.parameters.values)
    let group = EngineEfficiencies.Group(both)
    #expect(group.rows == 32 && group.machines == 8)
    // The time of exchanges is missing from these rates: several are faster than predicted, one is as predicted.
    #expect(group.interval("nvidia", .gpus, .decode).high > group.interval("nvidia", .gpu, .decode).high)
    // A table without several devices tells of them what it tells of one.
    let alone = EngineEfficiencies.Group(single)
    #expect(alone.interval("nvidia", .gpus, .decode) == alone.interval("nvidia", .gpu, .decode))
  }

  @Test func `a row that was set aside is predicted, and changes nothing of the fit`() throws {
    let rows = try CrossValidationTests.observations(machines: 5) { $0 == 2 ? 3 : 1 }
    let doubtful = rows.map { row in
      var row = row
      if row.machine == "machine 2" { row.setAside = "contradicted" }
      return row
    }
    let validation = CrossValidation(.devices, doubtful)
    let without = CrossValidation(.devices, rows.filter { $0.machine != "machine 2" })
    #expect(validation.rows.count == rows.count)
    #expect(validation.parameters.values == without.parameters.values)
    for row in validation.rows where row.observation.setAside != nil { #expect(row.error > 0.5) }
  }

  @Test func `without launches small models are predicted worse`() throws {
    let rows = try CrossValidationTests.observations(machines: 5) { _ in 1 }
    let (whole, part) = (CrossValidation(.devices, rows), CrossValidation(.devices, rows, without: .launches))
    #expect(median(part.rows.map(\.error)) > median(whole.rows.map(\.error)))
  }

  @Test func `a processor that multiplies four bytes at once decodes twice as fast, and products stay`() throws {
    func rates(_ int8: Double) -> DeviceRates {
      let peaks = PeakRates(
        float32: .exact(OperationRate(magnitude: 1e12), .modelled),
        int8: .exact(OperationRate(magnitude: int8), .modelled))
      let processor = Processor(
        architecture: "x86_64", packageCount: 1, dieCount: 1, coreCount: 8, processingUnitCount: 16, peaks: peaks)
      return DeviceRates(processor, vendor: "AMD", threads: 8, bandwidth: 80e9)
    }
    let (old, new) = (rates(1e12), rates(4e12))
    #expect(new.vectorRate == 2 * old.vectorRate && new.matrixRate == old.matrixRate)
  }
}
