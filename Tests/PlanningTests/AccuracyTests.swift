// SPDX-License-Identifier: Apache-2.0
import CostModel
import Planning
import Profiles
import Testing

/// How right the estimates are on the figures that come with the program.
@Suite struct AccuracyTests {
  @Test func `memory is met within five per cent in the median, by every engine`() throws {
    try Fixture.withSession { session, _ in
      let memories = try session.memoryObservations()
      let cases = Dictionary(grouping: memories.observations, by: \.engine)
        .mapValues { $0.compactMap { $0.accuracyCase() } }
      #expect(cases.values.reduce(0) { $0 + $1.count } > 300)
      for (engine, cases) in cases {
        let median = AccuracyRow.quantile(cases.map(\.error), 0.5)
        #expect(median <= 0.05, "\(engine): \(median)")
      }
      #expect(memories.unused.allSatisfy { $0.count > 0 && !$0.reason.isEmpty })
    }
  }

  @Test func `margins that come with the program are those that the published figures call for`() throws {
    try Fixture.withSession { session, _ in
      let known = try ErrorMargins(library: .standard())
      let memory = MemoryValidation(try session.memoryObservations().observations)
      let made = ErrorMargins(memory, try session.powerValidation().validation)
      #expect(Set(known.memory.keys) == Set(made.memory.keys))
      for (name, factor) in made.memory {
        #expect(abs((known.memory[name] ?? 0) / factor - 1) < 1e-3, "\(name)")
      }
      #expect(abs(try #require(known.power) / #require(made.power) - 1) < 1e-3)
    }
  }

  @Test func `nine in ten figures lie inside intervals that their own model or machine did not make`() throws {
    try Fixture.withSession { session, _ in
      let memory = MemoryValidation(try session.memoryObservations().observations).cases.map(\.accuracy)
      let energy = try session.powerValidation().validation.rows.map(\.accuracyCase)
      for cases in [memory, energy] {
        let share = Double(cases.count { $0.isInside }) / Double(cases.count)
        #expect(share >= 0.85 && share <= 0.95, "\(share)")
      }
    }
  }

  @Test func `energy of machines left out is met within a quarter in the median, and better than by the rule`() throws {
    try Fixture.withSession { session, _ in
      let validation = try session.powerValidation().validation
      let cases = validation.rows.map(\.accuracyCase)
      #expect(AccuracyRow.quantile(cases.map(\.error), 0.5) <= 0.25)
      #expect(
        AccuracyRow.quantile(cases.map(\.error), 0.5) < AccuracyRow.quantile(cases.compactMap(\.ruleError), 0.5))
      // What estimates use does so too.
      let errors = validation.rows.map(\.observation).map { row in
        abs(PowerCoefficients.published.watts(row.facts, bytes: row.bytes, operations: row.operations) / row.watts - 1)
      }
      #expect(AccuracyRow.quantile(errors, 0.5) <= 0.25)
    }
  }

  @Test func `coverage of memory and energy is told as by rows alike, and by class as in the table`() throws {
    try Fixture.withSession { session, _ in
      let memories = MemoryValidation(try session.memoryObservations().observations)
      let powers = try session.powerValidation().validation
      let cases = [memories.cases.map(\.accuracy), powers.rows.map(\.accuracyCase)]
      for (rows, cases) in zip([PlanningSession.coverage(memories), PlanningSession.coverage(powers)], cases) {
        for row in rows {
          #expect(row.byRule[.rows] == row.coverage, "\(row.deviceClass)")
          #expect(row.machines.reduce(0) { $0 + $1.count } == row.count)
        }
        let all = try #require(rows.last)
        #expect(all.count == cases.count && all.count == rows.dropLast().reduce(0) { $0 + $1.count })
        #expect(abs(all.coverage * Double(all.count) - Double(cases.count { $0.isInside })) < 1e-6)
      }
    }
  }

  @Test(arguments: [
    ("all", "gpu or unified", "decode", true), ("all", "processor", "decode", true),
    ("llama.cpp", "processor", "decode", false), ("all", "all devices", "decode", false),
    ("all", "all devices", "prefill", true), ("all", "gpu", "prefill", false), ("all", "all", "memory", true),
    ("vllm", "all", "memory", false), ("all", "all", "energy", true), ("–", "all", "loss", true),
  ])
  func `one row stands for each quantity, two for decoding`(
    engine: String, device: String, quantity: String, stands: Bool
  ) throws {
    let one = AccuracyRow.Case(machine: "one", error: 0, isInside: true, width: 1)
    let row = try #require(AccuracyRow(engine: engine, deviceClass: device, quantity: quantity, [one]))
    #expect(row.standsForQuantity == stands)
  }
}
