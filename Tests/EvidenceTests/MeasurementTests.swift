// SPDX-License-Identifier: Apache-2.0
import Evidence
import JSONText
import Quantities
import TestSupport
import Testing

@Suite struct MeasurementTests {
  /// A measurement with every field drawn from a seed.
  private static func sample(seed: UInt64) -> Measurement {
    var random = SeededRandom(seed: seed)
    func int(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &random) }
    func word() -> String {
      ["", "a b", "quote \" and \\", "µ ünïcode 字", "tab\tnewline\n", "null", "1e3"].randomElement(using: &random) ?? ""
    }
    func phase() -> Measurement.Phase? {
      guard int(0...3) > 0 else { return nil }
      let samples = (0..<int(1...7)).map { _ in Double.random(in: 1e-3...1e6, using: &random) }
      return .init(tokens: int(1...100_000), tokensPerSecond: SampleStatistics(samples))
    }
    func known<Value: Quantity>() -> Known<Value> {
      let amount = Value(magnitude: Double(int(1...1 << 40)))
      switch int(0...2) {
      case 0: return .unknown(reason: word())
      case 1: return .exact(amount, .measured, source: word())
      default:
        return .known(
          amount, low: Value(magnitude: amount.magnitude / 2), high: Value(magnitude: amount.magnitude * 3),
          basis: .modelled, source: nil)
      }
    }
    return Measurement(
      date: "2026-01-02T03:04:05Z", toolVersion: word(), machine: word(), model: word(), variant: word(),
      inventoryDigest: word(), isSynthetic: int(0...1) == 1, threads: int(1...512), threadsBatch: int(1...512),
      kernels: word(), mode: int(0...1) == 1 ? .full : .sampled, contextTokens: int(1...1 << 20),
      keyValueFormat: word(), prefill: phase(), decode: phase(), peakResident: known(),
      allocated: ByteCount(int(0...1 << 50)), energyPerToken: known(),
      warnings: (0..<int(0...3)).map { _ in .init(kind: word(), message: word()) },
      isComplete: int(0...1) == 1)
  }

  @Test func `a measurement that is written and read again is equal`() throws {
    for seed in 0..<300 as Range<UInt64> {
      let measurement = Self.sample(seed: seed)
      let text = measurement.json.text(pretty: seed % 2 == 0)
      #expect(Measurement(json: try JSON(parsing: text)) == measurement, "seed \(seed)")
    }
  }

  @Test func `the written form has the promised keys`() {
    var measurement = Self.sample(seed: 1)
    measurement.decode = .init(tokens: 4, tokensPerSecond: SampleStatistics([1, 2, 4]))
    let json = measurement.json
    for key in [
      "model", "variant", "synthetic", "threads", "threadsBatch", "kernels", "prefill", "decode", "peakResidentBytes",
      "allocatedBytes", "energy", "warnings",
    ] { #expect(json[key] != nil, "\(key)") }
    let rates = json["decode"]?["tokensPerSecond"]
    #expect(rates?["median"]?.doubleValue == 2)
    #expect(rates?["low"]?.doubleValue == 1)
    #expect(rates?["high"]?.doubleValue == 4)
    #expect(rates?["samples"]?.arrayValue?.count == 3)
  }

  @Test func `a phase that did not run is null, not zero`() {
    var measurement = Self.sample(seed: 2)
    measurement.prefill = nil
    #expect(measurement.json["prefill"] == .null)
  }

  @Test func `whatever is missing or of another kind, reading gives a measurement or nothing`() throws {
    let replacements: [JSON] = [.null, 7, "text", [], [:], .bool(true), -1, .number(1e300)]
    for seed in 0..<40 as Range<UInt64> {
      guard case .object(let members) = Self.sample(seed: seed).json else { return }
      for index in members.indices {
        var without = members
        without.remove(at: index)
        let key = members[index].key
        let isNeeded = ["date", "model", "variant", "mode", "threads", "allocatedBytes"].contains(key)
        #expect((Measurement(json: .object(without)) == nil) == isNeeded, "\(key)")
        for replacement in replacements {
          var changed = members
          changed[index] = .init(key, replacement)
          _ = Measurement(json: .object(changed))
        }
      }
    }
  }
}
