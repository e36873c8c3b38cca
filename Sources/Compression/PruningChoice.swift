// SPDX-License-Identifier: Apache-2.0

/// How layers are chosen that a model can do without.
package enum DepthCriterion: String, Sendable, CaseIterable {
  /// The successive layers whose input and output differ least in angle.
  ///
  /// - Source: Gromov et al., arXiv 2403.17887; here over positions spread through the text, not over each text's end.
  case angle
  /// The layers that turn their input least, wherever they stand: 1 − the mean cosine of input and output.
  ///
  /// - Source: ShortGPT, arXiv 2403.03853.
  case influence
  /// Those before the last one; needs no text.
  case last
}

/// How heads and channels are ranked.
package enum WidthCriterion: String, Sendable, CaseIterable {
  /// The sum of the magnitudes, or of the squares, of all weights of the structure.
  case magnitudeL1 = "magnitude-l1"
  case magnitudeL2 = "magnitude-l2"
  /// How much the loss would change, to first order: Σ |weight · gradient| over the structure; needs a text.
  ///
  /// - Source: LLM-Pruner, arXiv 2305.11627, section 3.2.
  case taylor
  /// By chance, always the same: what a criterion must beat.
  case random
}

/// How single weights are ranked.
package enum SparsityCriterion: String, Sendable, CaseIterable {
  /// What they cost where those after them in the row make up for it; needs a text.
  ///
  /// - Source: SparseGPT, arXiv 2301.00774.
  case sparseGPT = "sparsegpt"
  /// Their magnitude times the root mean square of their input; needs a text.
  ///
  /// - Source: Wanda, arXiv 2306.11695.
  case wanda
  case magnitude
}

/// What decides which parts of a model go.
package struct PruningChoice: Sendable, Equatable {
  /// Nil takes the angle where there is a text, else the last layers.
  package var depth: DepthCriterion?
  package var width: WidthCriterion
  /// Nil takes SparseGPT where there is a text, else the magnitude.
  package var weights: SparsityCriterion?
  /// The layers that lose heads and channels; nil takes all but the first and last four.
  package var layers: Range<Int>?

  package init(
    depth: DepthCriterion? = nil, width: WidthCriterion = .magnitudeL2, weights: SparsityCriterion? = nil,
    layers: Range<Int>? = nil
  ) {
    self.depth = depth
    self.width = width
    self.weights = weights
    self.layers = layers
  }
}
