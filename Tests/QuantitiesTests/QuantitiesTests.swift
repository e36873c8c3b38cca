// SPDX-License-Identifier: Apache-2.0
import Quantities
import Testing

@Suite struct QuantitiesTests {
  @Test func `binary and decimal units are different words`() {
    #expect(ByteCount.gibibytes(1).bytes == 1_073_741_824)
    #expect(ByteCount.gigabytes(1).bytes == 1_000_000_000)
    #expect(ByteCount.mebibytes(1).bytes == 1_048_576)
    #expect(ByteCount.kibibytes(1).bytes == 1024)
  }

  @Test func `bytes above two to the fifty-third keep their last byte`() {
    let large = ByteCount(Int64(1) << 53)
    #expect((large + ByteCount(Int64(1))).bytes == 9_007_199_254_740_993)
  }

  @Test(arguments: [(0, 0), (1, 32), (31, 32), (32, 32), (33, 64)])
  func `alignment rounds up to a multiple`(bytes: Int, expected: Int) {
    #expect(ByteCount(bytes).aligned(to: 32) == ByteCount(expected))
  }

  @Test func `size over bandwidth is time, power times time is energy`() {
    #expect(ByteCount.gigabytes(10) / Bandwidth.gigabytesPerSecond(5) == Seconds(2))
    #expect(Power(watts: 50) * Seconds(2) == Energy(joules: 100))
    #expect(OperationCount(4e12) / OperationRate.teraPerSecond(2) == Seconds(2))
  }

  @Test(arguments: [
    (0.0, "0 B"), (1023, "1023 B"), (1024, "1.00 KiB"), (667_091_136, "636 MiB"), (4_920_734_272, "4.58 GiB"),
  ])
  func `sizes print in binary units with three digits`(bytes: Double, expected: String) {
    #expect(ByteCount(magnitude: bytes).description == expected)
  }

  @Test(arguments: [(12.34, "12.3"), (1234, "1234"), (0.012345, "0.0123"), (9.999, "10.0"), (-3.14159, "-3.14")])
  func `numbers print with three significant digits`(value: Double, expected: String) {
    #expect(QuantityFormat.threeDigits(value) == expected)
  }

  @Test func `a size needs a unit, and an ambiguous one is refused with both readings`() throws {
    #expect(try QuantityParser.bytes("24GB") == .gigabytes(24))
    #expect(try QuantityParser.bytes("24 GiB") == .gibibytes(24))
    #expect(throws: QuantityParseError.ambiguousUnit("12G", choices: ["GB", "GiB"])) { try QuantityParser.bytes("12G") }
    #expect(throws: QuantityParseError.self) { try QuantityParser.bytes("12") }
    #expect(throws: QuantityParseError.notANumber("GB")) { try QuantityParser.bytes("GB") }
  }

  @Test func `rates and power parse with their prefixes`() throws {
    #expect(try QuantityParser.bandwidth("1008GB/s") == .gigabytesPerSecond(1008))
    #expect(try QuantityParser.operationRate("165TFLOP/s") == .teraPerSecond(165))
    #expect(try QuantityParser.operationRate("330TOP/s") == .teraPerSecond(330))
    #expect(try QuantityParser.power("450W") == Power(watts: 450))
  }
}

@Suite struct KnownTests {
  private let measured = Known.known(
    Seconds(2), low: Seconds(1), high: Seconds(4), basis: .measured, source: "a run")

  @Test func `arithmetic keeps the weakest basis and carries the interval`() {
    let modelled = Known.within(1, of: Seconds(3), .modelled, source: "a formula")
    let sum = measured + modelled
    #expect(sum.value == Seconds(5))
    #expect(sum.low == Seconds(2.5))
    #expect(sum.high == Seconds(10))
    #expect(sum.basis == .modelled)
    #expect(sum.source == "a formula")
  }

  @Test func `a decreasing function swaps the ends of the interval`() {
    let rate = measured.map { TokenRate(magnitude: 8 / $0.seconds) }
    #expect(rate.low == TokenRate(magnitude: 2))
    #expect(rate.high == TokenRate(magnitude: 8))
  }

  @Test func `unknown stays unknown with its reason and never becomes zero`() {
    let unknown = Known<Seconds>.unknown(reason: "no counter")
    #expect((measured + unknown).value == nil)
    #expect((unknown + measured).reason == "no counter")
    #expect(unknown.map { Energy(joules: $0.seconds) }.basis == .unknown)
  }
}
