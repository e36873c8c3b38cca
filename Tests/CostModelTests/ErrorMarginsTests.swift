// SPDX-License-Identifier: Apache-2.0
import Compression
import CostModel
import LanguageModel
import Quantities
import Testing

/// Intervals that the errors of others call for.
@Suite struct ErrorMarginsTests {
  /// Evenly spread between -1 and 1 in a fixed, mixed order.
  private static func errors(_ count: Int) -> [Double] {
    (0..<count).map { Double($0 * 377 % count * 2 + 1) / Double(count) - 1 }
  }

  private static func entries(_ errors: [Double], groups: Int, classes: [String]) -> [ConformalErrors.Entry] {
    errors.enumerated().map { .init(group: "group \($0.offset % groups)", classes: classes, error: $0.element) }
  }

  @Test func `a conformal quantile holds nine in ten of exchangeable errors, the one left out among them`() throws {
    // Every error left out in turn: it lies inside when it is among the ⌈0.9·n⌉ smallest of all n.
    for count in [10, 41, 100, 239] {
      let errors = Self.errors(count)
      let inside = try errors.indices.count { index in
        let others = errors.enumerated().filter { $0.offset != index }.map(\.element)
        return abs(errors[index]) <= (try #require(ConformalErrors.quantile(others)))
      }
      let wanted = Double(count) * 0.9
      // Two errors of one size, one of each sign, may fall together.
      #expect(Double(inside) >= wanted && Double(inside) <= wanted + 2, "\(inside) of \(count)")
    }
  }

  @Test func `too few errors give the largest, and none gives nothing`() {
    #expect(ConformalErrors.quantile([0.1, -0.3, 0.2]) == 0.3)
    #expect(ConformalErrors.quantile([]) == nil)
    #expect(ConformalErrors([]).margin(["any"]) == nil)
  }

  @Test func `a thin class falls back to all, and a group does not make its own margin`() throws {
    let small = Self.entries([Double](repeating: 0.1, count: 40), groups: 20, classes: ["wide"])
    let odd = [ConformalErrors.Entry(group: "odd", classes: ["thin", "wide"], error: 2)]
    let errors = ConformalErrors(small + odd + odd + odd + odd + odd)
    let with = try #require(errors.margin(["thin", "wide"]))
    let without = try #require(errors.margin(["thin", "wide"], without: "odd"))
    #expect(abs(Logarithm.natural(with) - 2) < 1e-9 && abs(Logarithm.natural(without) - 0.1) < 1e-9)
    #expect(Set(errors.margins.keys) == ["wide"])
  }

  @Test func `a class of enough groups speaks for itself`() throws {
    let own = Self.entries([Double](repeating: 0.2, count: 22), groups: 11, classes: ["own", "wide"])
    let wide = Self.entries([Double](repeating: -1, count: 60), groups: 20, classes: ["wide"])
    let margins = ConformalErrors(own + wide).margins
    #expect(abs(Logarithm.natural(try #require(margins["own"])) - 0.2) < 1e-9)
    #expect(abs(Logarithm.natural(try #require(margins["wide"])) - 1) < 1e-9)
  }

  @Test func `an interval is widened to its margin and never narrowed`() throws {
    let bytes = Known.within(0.1, of: ByteCount.mebibytes(100), .modelled)
    #expect(bytes.stretched(toAtLeast: 1.05) == bytes)
    let wide = bytes.stretched(toAtLeast: 2)
    #expect(wide.value == bytes.value && wide.low == .mebibytes(50) && wide.high == .mebibytes(200))
    #expect(Known<ByteCount>.unknown(reason: "no").stretched(toAtLeast: 2) == .unknown(reason: "no"))
  }

  @Test func `foreign engines' estimates print the margins, and the built-in runtime's plan stays exact`() throws {
    let margins = ErrorMargins(memory: ["total": 1.5, "transformers total": 3, "weights": 1.2], power: nil)
    #expect(margins.memory(of: .llamaCpp).total == 1.5 && margins.memory(of: .transformers).total == 3)
    #expect(margins.memory(of: .vllm).compute == 1 && margins.memory(of: .anprobe) == .none)
    let model = try Fixture.model("TinyLlama-1.1B")
    for engine in [Engine.llamaCpp, .anprobe] {
      let memory = [ErrorMargins.none, margins].map { margins in
        CostEstimator(
          model, on: Platform(Fixture.host(), engine: engine, margins: margins), workload: Workload(),
          quality: QualityModel([])
        ).estimate(.original).memory
      }
      guard engine == .llamaCpp else {
        #expect(memory[0] == memory[1])
        continue
      }
      let total = try #require(memory[1].total.value).magnitude
      #expect(abs(try #require(memory[1].total.high).magnitude - total * 1.5) <= 1)
      #expect(try #require(memory[1].weights.high).magnitude >= #require(memory[1].weights.value).magnitude * 1.2 - 1)
      #expect(memory[0].total.value == memory[1].total.value && memory[0].keyValueCache == memory[1].keyValueCache)
    }
  }
}
