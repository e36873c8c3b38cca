// SPDX-License-Identifier: Apache-2.0
import Compression
import Evidence
import JSONText
import Testing

@Suite struct ValidationTests {
  private static func row(
    _ quantity: Validation.Quantity, _ estimate: Double, _ measured: Double, low: Double = 0, high: Double = .infinity
  ) -> Validation.Row {
    .init(
      model: "small", variant: "q8_0", quantity: quantity, estimate: estimate, low: low, high: high, measured: measured)
  }

  @Test func `an error is told against the measurement, with its sign`() {
    #expect(Self.row(.decode, 12, 10).relativeError == 0.2)
    #expect(Self.row(.decode, 8, 10).relativeError == -0.2)
  }

  @Test func `the median is of absolute errors, for each quantity by itself`() {
    let validation = Validation(rows: [
      Self.row(.decode, 12, 10), Self.row(.decode, 9, 10), Self.row(.decode, 5, 10), Self.row(.memory, 101, 100),
    ])
    #expect(validation.medianAbsoluteError(.decode) == 0.2)
    #expect(abs((validation.medianAbsoluteError(.memory) ?? .nan) - 0.01) < 1e-15)
    #expect(validation.medianAbsoluteError(.prefill) == nil)
  }

  @Test func `what is beyond its tolerance fails; what has no rows or no tolerance does not`() {
    let validation = Validation(rows: [
      Self.row(.decode, 12, 10), Self.row(.memory, 101, 100), Self.row(.prefill, 20, 10),
    ])
    #expect(validation.failures(tolerance: [.decode: 0.1, .memory: 0.03]) == [.decode])
    #expect(validation.failures(tolerance: [.decode: 0.2, .memory: 0.005]) == [.memory])
    #expect(Validation().failures(tolerance: [.decode: 0, .memory: 0, .prefill: 0]).isEmpty)
  }

  @Test func `formats that are decoded first are judged apart`() {
    var slow = Self.row(.decode, 20, 10)
    slow.kernels = .portable
    let validation = Validation(rows: [Self.row(.decode, 10, 10), slow])
    #expect(validation.medianAbsoluteError(.decode) == 0)
    #expect(validation.medianAbsoluteError(.decode, kernels: .portable) == 1)
    #expect(validation.failures(tolerance: [.decode: 0.5]) == [.decode])
    #expect(validation.failures(tolerance: [.decode: 1]).isEmpty)
  }

  @Test func `the ends of an interval belong to it`() {
    #expect(Self.row(.decode, 10, 9, low: 9, high: 11).isInsideInterval)
    #expect(Self.row(.decode, 10, 11, low: 9, high: 11).isInsideInterval)
    #expect(!Self.row(.decode, 10, 11.001, low: 9, high: 11).isInsideInterval)
    #expect(!Self.row(.decode, 10, 8.999, low: 9, high: 11).isInsideInterval)
  }

  @Test func `the answer has a row per comparison, a median per quantity and what was not measured`() {
    let json = JSON.object(
      Validation(
        rows: [Self.row(.decode, 12, 10, low: 11, high: 13)],
        skipped: [.init(model: "large", variant: "f16", reason: "needs 140 GiB")]
      ).members)
    let row = json["rows"]?.arrayValue?.first
    #expect(row?["model"]?.stringValue == "small")
    #expect(row?["quantity"]?.stringValue == "decode")
    #expect(row?["relativeError"]?.doubleValue == 0.2)
    #expect(row?["insideInterval"]?.boolValue == false)
    #expect(json["medianAbsoluteError"]?["decode"]?.doubleValue == 0.2)
    #expect(json["medianAbsoluteError"]?["memory"] == .null)
    #expect(json["skipped"]?.arrayValue?.first?["reason"]?.stringValue == "needs 140 GiB")
  }
}
