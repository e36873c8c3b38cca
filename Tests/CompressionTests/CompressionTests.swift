// SPDX-License-Identifier: Apache-2.0
import LanguageModel
import Quantities
import Testing

@testable import Compression

private func summary(_ fixture: LlamaFixture, _ variant: String) throws -> VariantSummary {
  let census = TensorCensus(fixture.inventory, fixture.architecture)
  return try CompressionVariant(parsing: variant).summary(of: census)
}

@Suite struct `Recipes of llama.cpp` {
  /// File sizes that llama.cpp's own `llama-quantize` wrote for this geometry, without vocabulary: each file has
  /// 12,480 bytes of header (measured, llama.cpp commit c392e509).
  @Test(arguments: [("q4_k_m", 667_091_136)])
  func `the tensor bytes of TinyLlama equal those of a really quantised file`(variant: String, fileBytes: Int) throws {
    #expect(try summary(.tinyLlama, variant).alignedBytes == ByteCount(fileBytes - 12_480))
  }

  @Test(arguments: [
    (LlamaFixture.tinyLlama, 1_100_048_384), (.llama2With7B, 6_738_415_616), (.llama31With8B, 8_030_261_248),
    (.llama31With70B, 70_553_706_496), (.llama32With1B, 1_235_814_400), (.llama32With3B, 3_212_749_824),
    (.qwen25With05B, 494_032_768),
  ])
  func `the fixtures have the published parameter totals`(fixture: LlamaFixture, parameters: Int) {
    #expect(fixture.inventory.parameterCount == parameters)
  }

  private static let variants = [
    "q2_k", "q3_k_s", "q3_k_m", "q3_k_l", "q4_0", "iq4_xs", "q4_k_s", "q4_k_m", "q5_k_s", "q5_k_m", "q6_k", "q8_0",
  ]

  /// Bits per weight recomputed from really quantised files of these models (IQ4_XS without importance matrix).
  @Test(arguments: [
    (
      LlamaFixture.llama31With70B, [2.990, 3.504, 3.885, 4.210, 4.531, 4.338, 4.574, 4.820, 5.516, 5.663, 6.563, 8.500]
    ),
    (.llama31With8B, [3.159, 3.643, 3.996, 4.298, 4.636, 4.460, 4.667, 4.894, 5.570, 5.704, 6.563, 8.501]),
    (.llama2With7B, [3.006, 3.499, 3.915, 4.270, 4.541, 4.330, 4.578, 4.844, 5.522, 5.678, 6.564, 8.501]),
    (.llama32With3B, [3.377, 3.822, 4.182, 4.501, 4.754, 4.564, 4.782, 5.009, 5.632, 5.763, 6.564, 8.501]),
    (.llama32With1B, [3.710, 4.103, 4.421, 4.691, 4.940, 4.794, 4.970, 5.178, 5.727, 5.850, 6.564, 8.501]),
    (.tinyLlama, [3.137, 3.626, 3.983, 4.296, 4.625, 4.429, 4.648, 4.851, 5.566, 5.682, 6.565, 8.502]),
    (.qwen25WithoutBias, [5.385, 5.380, 5.658, 5.883, 5.605, 5.593, 6.144, 6.344, 6.585, 6.705, 8.092, 8.502]),
  ])
  func `bits per weight agree with real files to three decimals`(fixture: LlamaFixture, expected: [Double]) throws {
    for (variant, bits) in zip(Self.variants, expected) {
      let found = try summary(fixture, variant).bitsPerWeight
      #expect(abs(found - bits) <= 0.00051, "\(fixture.name) \(variant): \(found)")
    }
  }

  /// Bits per weight of Llama-3.1-8B as llama.cpp prints them (tools/quantize/README.md).
  @Test(arguments: [
    ("iq1_s", 2.0042), ("iq1_m", 2.1460), ("iq2_xxs", 2.3824), ("iq2_xs", 2.5882), ("iq2_s", 2.7403),
    ("iq2_m", 2.9294), ("iq3_xxs", 3.2548), ("iq3_xs", 3.4977), ("iq3_s", 3.6606), ("iq3_m", 3.7628),
    ("iq4_xs", 4.4597), ("iq4_nl", 4.6818), ("q2_k_s", 2.9697), ("q2_k", 3.1593), ("q3_k_s", 3.6429),
    ("q3_k_l", 4.2979), ("q4_k_s", 4.6672), ("q4_k_m", 4.8944), ("q5_k_s", 5.5704), ("q5_k_m", 5.7036),
    ("q6_k", 6.5633), ("q8_0", 8.5008), ("f16", 16.0005),
  ])
  func `every recipe of llama.cpp's own table agrees to four decimals`(variant: String, bits: Double) throws {
    let found = try summary(.llama31With8B, variant).bitsPerWeight
    #expect(abs(found - bits) <= 0.000051, "\(found)")
  }
}
