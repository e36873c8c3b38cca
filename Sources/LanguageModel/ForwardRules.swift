// SPDX-License-Identifier: Apache-2.0

/// What running (not sizing) the model needs besides shapes: a model is these values and its list of tensors.
///
/// The forward pass reads them and knows no model by name. What a tensor's presence says already (a bias, a norm
/// before or after a part, a shared expert) is not repeated here.
package struct ForwardRules: Sendable, Equatable {
  package enum Norm: Sendable, Equatable {
    /// x / √(mean(x²) + ε) · w
    case rms
    /// (x − mean) / √(variance + ε) · w + b
    case layer
  }

  /// What the feed-forward part applies to its gate (or to its only input).
  package enum Activation: Sendable, Equatable {
    case silu
    /// GELU by its tanh formula (Hendrycks and Gimpel, arXiv 1606.08415), and by the error function.
    case geluTanh, gelu
    case relu, squaredRelu
    /// gpt-oss: min(g, 7) · σ(1.702 · g) · (clamp(u, ±7) + 1).
    case clampedSwiGLU
  }

  package enum Residual: Sendable, Equatable {
    /// x += attention(norm(x)), then x += feedForward(norm(x)).
    case sequential
    /// x += attention(norm(x)) + feedForward(norm(x)), both of the same x.
    case parallel
  }

  package var norm = Norm.rms
  package var normEpsilon: Double
  package var activation = Activation.silu
  package var residual = Residual.sequential
  /// Multiplies the embedding (Gemma: √hidden), each part's output before it is added, and the logits (Granite).
  package var embeddingScale = 1.0
  package var residualScale = 1.0
  package var logitScale = 1.0
  /// Logits become cap · tanh(logits / cap) (Gemma 2).
  package var logitCap: Double?
  /// Projected queries, keys and values are cut to ± this, behind their biases and before their norms (MPT).
  package var projectionLimit: Double?
  /// A step of the model's own code that the forward pass lacks, as a clause with a subject; nil when it lacks none.
  package var lacking: String?
  /// What multiplies query · key; nil means 1 / √(key width).
  package var attentionScale: Double?
  /// Attention scores become cap · tanh(score / cap), after scaling.
  package var attentionCap: Double?
  /// Queries grow with their position, where they do (Ministral 3).
  package var queryGrowth: QueryGrowth?
  package var rope: RopeRules
  /// The rotation of layers with a sliding window, where it differs (Gemma 3).
  package var windowRope: RopeRules?
  package var routing = RoutingRules()
  /// What a learnt norm weight misses: Gemma's own checkpoints store w and multiply by 1 + w, GGUF files store 1 + w.
  package var normOffset = 0.0
  /// Scores fall with distance, in place of a rotation or learnt positions (ALiBi: Bloom, MPT).
  package var distanceBias: DistanceBias?
  /// The rows of a fused projection stand group by group, a group's queries, its key, its value (checkpoints of
  /// Falcon's second generation and GPT-NeoX), in place of all queries, all keys, all values.
  package var fusesByGroup = false
  /// Matrices that checkpoints store as (inputs, outputs): GPT-2's, gpt-oss's experts.
  package var transposedRoles: Set<TensorRole> = []
  /// Outputs 2i and 2i + 1 of an expert's fused matrix are gate i and up i (gpt-oss), in place of all gates, all ups.
  package var alternatesGateAndUp = false
  /// Rows of a learnt position table before position 0 (OPT: 2).
  package var positionOffset = 0

  package init(normEpsilon: Double = 1e-5, rope: RopeRules = RopeRules()) {
    self.normEpsilon = normEpsilon
    self.rope = rope
  }
}

/// A query is multiplied by 1 + scale · ln(1 + ⌊position / length⌋): sharper attention far beyond the trained context.
package struct QueryGrowth: Sendable, Equatable {
  package var scale: Double
  package var length: Double

  package init(scale: Double, length: Double) {
    self.scale = scale
    self.length = length
  }
}

/// Attention with linear biases (Press, Smith and Lewis, arXiv 2108.12409): a score loses slope · distance.
package struct DistanceBias: Sendable, Equatable {
  /// Head i of n, a power of two, has the slope 2^(−maximum · i / n), i from 1.
  package var maximum = 8.0
  /// The bias is multiplied by the attention's scale, too (Falcon).
  package var isScaled = false

  package init() {}

  /// The binary logarithm of each head's slope. A count that is no power of two takes the next smaller power's slopes,
  /// then every other one of the next larger's.
  package func slopeExponents(heads: Int) -> [Double] {
    guard heads > 0 else { return [] }
    let power = 1 << (Int.bitWidth - 1 - heads.leadingZeroBitCount)
    let own = (1...power).map { -maximum * Double($0) / Double(power) }
    return own + (0..<heads - power).map { -maximum * Double(2 * $0 + 1) / Double(2 * power) }
  }
}

/// How experts are chosen and weighted.
package struct RoutingRules: Sendable, Equatable {
  package enum Score: Sendable, Equatable {
    /// Softmax over all experts, then the best k.
    case softmax
    /// A sigmoid of each (DeepSeek-V3, arXiv 2412.19437).
    case sigmoid
    /// The best k of the raw scores, then softmax over those (gpt-oss).
    case softmaxOfChosen
  }

  package var score = Score.softmax
  /// The chosen weights are divided by their sum.
  package var normalises = true
  /// Multiplies the weights (DeepSeek's `routed_scaling_factor`).
  package var scale = 1.0
  /// Experts stand in so many groups, of which the best so many may be chosen from; 1 for no groups.
  package var groups = 1
  package var chosenGroups = 1

  package init() {}
}
