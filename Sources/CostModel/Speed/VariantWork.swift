// SPDX-License-Identifier: Apache-2.0
package import Compression
package import LanguageModel
internal import Quantities

/// What one variant of a model makes the machine do: its weights by format.
package struct VariantWork: Sendable {
  /// Weights that one kind of product reads.
  package struct Part: Sendable {
    package var family: FormatFamily
    /// What rates are looked up by: how the runtime keeps the weights, or how they are stored.
    package var kernel: String
    package var format: StorageFormat
    /// Stored bytes that a decode step of one sequence reads.
    package var bytes: Double
    /// Weights that one token meets: two operations each.
    package var elements: Double
    /// Bytes of one parallel job, such as query, key and value together.
    package var jobBytes: Double
    /// Stored bytes of all copies, read when every expert is visited.
    package var allBytes: Double
    package var isHead: Bool
    package var isRouted: Bool
  }

  package let parts: [Part]
  /// Bytes of a token's values that adapters kept apart read or write, and the jobs that they start.
  ///
  /// Whole matrices have enough arithmetic for each value to hide them, ranks have not: each adapter converts its input
  /// once more, reads it, writes a whole output and adds it to that of its matrix.
  package let adapterBytes: Double
  package let adapterJobs: Double

  /// - Parameter isInRuntime: whether the built-in runtime reads the weights, in its own formats, rather than another
  ///   engine as they are stored.
  package init(_ summary: VariantSummary, _ model: ModelWork, isInRuntime: Bool = false) {
    var parts: [Part] = []
    parts.reserveCapacity(summary.entries.count)
    var embeddingElements = 0
    for entry in summary.entries where entry.tensorClass == .embedding { embeddingElements += entry.elements }
    let shares = TokenShares(
      model, hasHead: summary.entries.contains { $0.tensorClass == .outputHead }, embeddingElements: embeddingElements)
    for entry in summary.entries {
      let bytes = (isInRuntime ? entry.runtimeBytes : entry.bytes).magnitude
      let share = shares.of(entry.tensorClass)
      guard share > 0 else { continue }
      let isHead = entry.tensorClass == .embedding || entry.tensorClass == .outputHead
      parts.append(
        Part(
          family: FormatFamily(entry.format),
          kernel: isInRuntime ? entry.runtimeFormat?.name ?? entry.format.name : entry.format.name,
          format: entry.format, bytes: bytes * share,
          elements: Double(entry.elements) * share,
          jobBytes: isHead ? bytes * share : bytes * share / Double(entry.tensors) * Self.tensorsPerJob(entry),
          allBytes: isHead ? bytes * share : bytes, isHead: isHead,
          isRouted: entry.tensorClass == .routedExperts))
    }
    self.parts = parts
    let widths = summary.adapterWidths
    // Inputs are read, written converted and read again; the thin values between are written too; outputs are written,
    // and read, added to others that are read, and written by the sum.
    adapterBytes = 4 * Double(3 * widths.inputs + 4 * widths.ranks + 4 * widths.outputs)
    adapterJobs = 2 * Double(widths.adapters)
  }

  /// Query, key and value make one job and the output another; gate and up one, down another.
  private static func tensorsPerJob(_ entry: VariantSummary.Entry) -> Double {
    switch entry.tensorClass {
    case .attention: 2
    case .feedForward, .sharedExperts, .routedExperts: 1.5
    default: 1
    }
  }

  /// Stored bytes that a pass over `tokens` tokens reads.
  package func bytes(_ part: Part, tokens: Int, _ model: ModelWork) -> Double {
    part.isRouted ? part.allBytes * model.expertShare(tokens: tokens) : part.bytes
  }
}

/// The share of a class of tensors that a token multiplies with; 0 for tables of which it reads a row.
struct TokenShares {
  private let head: Double
  private let experts: Double

  /// - Parameter embeddingElements: of all tables, of which a tied head reads one.
  init(_ model: ModelWork, hasHead: Bool, embeddingElements: Int) {
    head = hasHead || embeddingElements == 0 ? 0 : min(1, Double(model.headElements) / Double(embeddingElements))
    experts = Double(model.activeExperts) / Double(model.experts)
  }

  func of(_ tensorClass: TensorClass) -> Double {
    switch tensorClass {
    case .embedding: head
    case .routedExperts: experts
    default: 1
    }
  }
}
