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
  /// The rows of a fused projection stand group by group, a group's queries, its key, its value (checkpoints of
  /// Falcon's second generation and GPT-NeoX), in place of all queries, all keys, all values.
  package var fusesByGroup = false
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
