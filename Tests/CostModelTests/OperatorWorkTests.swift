// SPDX-License-Identifier: Apache-2.0
import Compression
import CostModel
import LanguageModel
import Quantities
import Testing

/// The work of single operators against the sums that estimates are made of.
@Suite struct OperatorWorkTests {
  static let models = [
    "TinyLlama-1.1B", "Qwen2.5-0.5B", "Qwen/Qwen3-30B-A3B", "deepseek-ai/DeepSeek-V2-Lite", "openai/gpt-oss-20b",
  ]

  private static func work(
    _ name: String, _ variant: String, inIntegers: Bool = false
  ) throws -> (model: LanguageModelDescription, parts: VariantWork, shared: ModelWork, operators: OperatorWork) {
    let variant = try Fixture.variant(variant)
    let model = try variant.applied(to: Fixture.model(name))
    let shared = ModelWork(model.architecture, Workload())
    let parts = VariantWork(CompressionVariant.original.summary(of: TensorCensus(model)), shared)
    return (model, parts, shared, OperatorWork(model, Workload()) { _, _ in inIntegers ? .integers : .floats })
  }

  /// What an operator reads beside weights.
  private static func others(_ pass: PassOperator, _ work: ModelWork) -> Double {
    switch pass {
    case .attention: work.cacheBytesRead
    case .norm: work.activations.norms
    case .rotation: work.activations.rotation
    case .activation: work.activations.activation
    case .residual: work.activations.sums
    default: 0
    }
  }

  @Test(arguments: models, ["q8_0", "f16"])
  func `the operators' weights are those of the estimate, for one token and for a prompt`(
    _ name: String, _ variant: String
  ) throws {
    let (_, parts, shared, operators) = try Self.work(name, variant)
    let single = operators.decode.reduce(0.0) { sum, row in
      sum + (row.key == .embedding ? 0 : row.value.bytes - Self.others(row.key, shared))
    }
    let expected = parts.parts.reduce(0.0) { $0 + $1.bytes }
    #expect(abs(single / expected - 1) < 1e-9)
    let products = operators.prefill.filter { $0.key.readsMemory && $0.key != .attention && $0.key != .logits }
    let passed = products.reduce(0.0) { $0 + $1.value.bytes }
    // Of a pass over many tokens all experts that are expected to be chosen, but nothing of the head.
    let matrices = parts.parts.filter { !$0.isHead && $0.format != .f32 }
    let many = matrices.reduce(0.0) { $0 + parts.bytes($1, tokens: 512, shared) }
    let rest = parts.parts.filter { $0.format == .f32 }.reduce(0.0) { $0 + $1.allBytes }
    #expect(passed >= many && passed <= many + rest)
  }

  @Test(arguments: models) func `two operations for each weight that a token meets`(_ name: String) throws {
    let (model, parts, shared, operators) = try Self.work(name, "q8_0")
    let vectors = model.inventory.tensors.filter(\.isVector)
    let all = parts.parts.reduce(0.0) { $0 + $1.elements }
    let most = operators.decode.values.reduce(0.0) { $0 + $1.operations } - shared.attentionOperations
    // Vectors are added or scale: they are no products.
    let least = 2 * (all - vectors.reduce(0.0) { $0 + Double($1.elements) })
    #expect(most <= 2 * all && most >= least * (1 - 1e-12))
  }

  @Test func `a prompt multiplies once per token, and the head once`() throws {
    let operators = try Self.work("TinyLlama-1.1B", "q8_0").operators
    for (pass, amount) in operators.decode where pass != .attention {
      #expect(operators.prefill[pass]?.operations == amount.operations * (pass == .logits ? 1 : 512))
    }
    #expect(operators.decode[.logits]?.bytes == Double(32000 * 2048 / 32 * 34))
    // 512 keys and values of 22 layers × 2 × 256 in two bytes.
    #expect(operators.prefill[.attention]?.bytes == Double(512 * 22 * 512 * 2))
  }

  @Test func `operations are on integers where the kernels say so, but never those of attention`() throws {
    let floats = try Self.work("TinyLlama-1.1B", "q8_0").operators
    let integers = try Self.work("TinyLlama-1.1B", "q8_0", inIntegers: true).operators
    for (pass, amount) in floats.decode {
      #expect(amount.integerOperations == 0)
      #expect(integers.decode[pass]?.integerOperations == (pass == .attention ? 0 : amount.floatOperations))
    }
    #expect(integers.decode[.attention] == floats.decode[.attention])
  }

  @Test func `every tensor that the runtime reads belongs to an operator of its own kind`() {
    for role in RuntimeSupport.roles {
      let isMatrix = [.attention, .feedForward, .routedExperts, .sharedExperts, .outputHead].contains(TensorClass(role))
      let isBias = "\(role)".hasSuffix("Bias")
      #expect(PassOperator(role).readsMemory || !isMatrix || isBias, "\(role)")
    }
  }
}
