// SPDX-License-Identifier: Apache-2.0
import CostModel
import Hardware
import LanguageModel
import Testing

/// Rates of rows that keep some of their weights, between the shares that were measured.
@Suite struct KeptRateTests {
  private static func bytesPerWeight(_ permille: Int) -> Double {
    RuntimeFormat.named(SparsePattern.name(keptPermille: permille)).map { $0.bitsPerWeight / 8 } ?? 0
  }

  /// A mask takes 1 ps per weight and 4 ps per kept one, a list 20 ps per kept one.
  private static func seconds(_ permille: Int) -> Double {
    let kept = Double(permille) / 1000
    return (permille > RuntimeFormat.mostListedPermille ? 1 + 4 * kept : 20 * kept) * 1e-12
  }

  private static func book(_ measured: [Int]) -> RateBook {
    let rates = measured.flatMap { kept -> [Calibration.Rate] in
      let name = SparsePattern.name(keptPermille: kept)
      return [
        CalibratedSpeedTests.rate(.matvec, name, 1 << 20, bytesPerWeight(kept) / seconds(kept)),
        CalibratedSpeedTests.rate(.gemm, name, 1 << 20, Double(kept) * 1e9, batch: 512),
      ]
    }
    return RateBook(CalibratedSpeedTests.calibration(rates), threads: 2)
  }

  @Test(arguments: [900, 700, 500, 350, 200, 150, 101, 100, 70, 50, 30])
  func `time per weight is linear in the kept share`(permille: Int) throws {
    let book = Self.book([500, 200, 100, 50])
    let name = SparsePattern.name(keptPermille: permille)
    let rate = try book.matvec(name, jobBytes: 1e6)
    let expected = Self.bytesPerWeight(permille) / Self.seconds(permille)
    #expect(abs(rate.perSecond / expected - 1) < 0.02)
  }

  @Test func `many tokens go by the nearest share of the same kind`() throws {
    let book = Self.book([500, 200, 100, 50])
    for (permille, nearest) in [(900, 500), (400, 500), (300, 200), (120, 200), (80, 100), (10, 50)] {
      let rate = try book.gemm(SparsePattern.name(keptPermille: permille), batch: 512, jobBytes: 1e6)
      #expect(rate.perSecond == Double(nearest) * 1e9)
    }
  }

  @Test func `what was not measured has no speed`() {
    #expect(throws: NoSpeed.self) { try Self.book([]).matvec("sparse-0.5", jobBytes: 1e6) }
    #expect(throws: NoSpeed.self) { try Self.book([50]).matvec("sparse-0.5", jobBytes: 1e6) }
  }
}
