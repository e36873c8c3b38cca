// SPDX-License-Identifier: Apache-2.0
internal import LanguageModel

/// One way to store a model: steps applied left to right, each a function from a list of tensors to another.
///
/// Spelled as the steps joined by `+`; no step at all is `original`, the model as published.
package struct CompressionVariant: Hashable, Sendable, CustomStringConvertible {
  package let steps: [CompressionStep]

  package init(_ steps: [CompressionStep]) { self.steps = steps }

  /// The model as published.
  package static let original = CompressionVariant([])
  static let originalName = "original"

  package var name: String { steps.isEmpty ? Self.originalName : steps.map(\.name).joined(separator: "+") }
  package var description: String { name }

  /// The step that says how tensors are stored, which replaces the formats of any before it; nil keeps the published.
  package var storage: CompressionStep? {
    steps.last {
      switch $0 {
      case .structure, .student: false
      case .mixture, .uniform, .linearLayers: true
      }
    }
  }

  /// The model that stands in for this one, if any.
  package var student: String? { if case .student(let model) = steps.first { model } else { nil } }

  /// The changes of shape, in order.
  package var structure: [StructuralStep] {
    steps.compactMap { if case .structure(let step) = $0 { step } else { nil } }
  }

  /// Whether the result is stored as a GGUF file; everything else is safetensors.
  package var isGGUF: Bool {
    switch storage {
    case .mixture, .uniform: true
    case .linearLayers, .structure, .student, nil: false
    }
  }

  /// All variants that are worth listing side by side: 16- and 32-bit floats, every recipe, and the Hugging Face formats.
  package static let offered: [CompressionVariant] = {
    let floats: [CompressionStep] = [.uniform(.f32), .uniform(.f16), .uniform(.bf16)]
    let uniform: [CompressionStep] = [.uniform(.q4_k), .uniform(.q5_k), .uniform(.q3_k), .uniform(.mxfp4)]
    let mixtures = GGUFMixture.allCases.map {
      CompressionStep.mixture($0, hasImportanceMatrix: $0.needsImportanceMatrix)
    }
    return (floats + mixtures + uniform + linearLayerSteps).map { CompressionVariant([$0]) }
  }()

  /// One variant of each other kind, with the parameters that are most written about.
  package static let examples: [CompressionVariant] = [
    [.linearLayers(.gptq(bits: 4, group: 128, actOrder: true))],
    [.linearLayers(.sparse(.unstructured(keptPermille: 500)))],
    [.linearLayers(.sparse(.unstructured(keptPermille: 100)))],
    [.linearLayers(.sparse(.structured(kept: 2, of: 4)))],
    [.linearLayers(.sparse(.structured(kept: 4, of: 8)))],
    [.structure(.depth(layers: 8))], [.structure(.width(permille: 300))], [.structure(.lowRank(permille: 500))],
    [.student(model: "TinyLlama-1.1B")], [.structure(.adapter(rank: 16))], [.structure(.mergedAdapter(rank: 16))],
    [.linearLayers(.normalFloat4(isDoubleQuantised: true)), .structure(.adapter(rank: 16))],
    [
      .structure(.depth(layers: 8)), .structure(.mergedAdapter(rank: 16)),
      .linearLayers(.awq(bits: 4, group: 128)),
    ],
  ].map(CompressionVariant.init)

  /// Ways of the literature that are no step here, by the word that they begin with, and why.
  package static let notOffered: [(family: String, reason: String)] = [
    (
      "tucker",
      "Tucker's core of a matrix is a third factor between the two of svd, which holds no more; no kernel multiplies it"
    ),
    (
      "tt",
      "a tensor train folds a matrix into a chain of small cores, which no kernel here multiplies; svd is its form of two"
    ),
  ]

  private static let linearLayerSteps: [CompressionStep] = [
    .linearLayers(.awq(bits: 4, group: 128)), .linearLayers(.gptq(bits: 4, group: 128)),
    .linearLayers(.gptq(bits: 3, group: 128)), .linearLayers(.gptq(bits: 8, group: 128)),
    .linearLayers(.normalFloat4(isDoubleQuantised: true)), .linearLayers(.normalFloat4(isDoubleQuantised: false)),
    .linearLayers(.float4(isDoubleQuantised: true)), .linearLayers(.float4(isDoubleQuantised: false)),
    .linearLayers(.int8PerRow), .linearLayers(.int8PerChannel), .linearLayers(.float8PerTensor),
    .linearLayers(.float8PerBlock),
  ]
}
