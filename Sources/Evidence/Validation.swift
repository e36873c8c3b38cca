// SPDX-License-Identifier: Apache-2.0
package import Compression
internal import Hardware
package import JSONText
internal import Quantities

/// Estimates held against measurements of the same variants on the same machine.
package struct Validation: Sendable {
  package enum Quantity: String, Sendable, CaseIterable {
    case memory, prefill, decode
  }

  /// One estimate and what was measured, in base units.
  package struct Row: Sendable {
    package var model: String
    package var variant: String
    package var quantity: Quantity
    package var estimate: Double
    package var low: Double
    package var high: Double
    package var measured: Double
    /// Of the variant's formats the weakest.
    package var kernels: KernelSupport

    package init(
      model: String, variant: String, quantity: Quantity, estimate: Double, low: Double, high: Double, measured: Double,
      kernels: KernelSupport = .fast
    ) {
      self.kernels = kernels
      self.model = model
      self.variant = variant
      self.quantity = quantity
      self.estimate = estimate
      self.low = low
      self.high = high
      self.measured = measured
    }

    /// (estimate − measured) / measured.
    package var relativeError: Double { (estimate - measured) / measured }
    package var isInsideInterval: Bool { low <= measured && measured <= high }
  }

  /// What could not be measured, with the reason.
  package struct Skipped: Sendable {
    package var model: String
    package var variant: String
    package var reason: String
    package init(model: String, variant: String, reason: String) {
      self.model = model
      self.variant = variant
      self.reason = reason
    }
  }

  package var rows: [Row]
  package var skipped: [Skipped]
  /// Of passes of a few rows, and of prompts; nil where stored measurements may have had others.
  package var threads: Int?
  package var threadsBatch: Int?

  package init(rows: [Row] = [], skipped: [Skipped] = []) {
    self.rows = rows
    self.skipped = skipped
  }

  /// The median of the absolute relative errors; nil without rows.
  ///
  /// - Parameter kernels: formats with kernels of their own, or those that are decoded first: two groups, since they
  ///   share no code.
  package func medianAbsoluteError(_ quantity: Quantity, kernels: KernelSupport = .fast) -> Double? {
    let errors = rows.filter { $0.quantity == quantity && $0.kernels == kernels }.map { abs($0.relativeError) }
    return errors.isEmpty ? nil : SampleStatistics(errors).median
  }

  /// The quantities whose median error is beyond what is tolerated, in either group.
  package func failures(tolerance: [Quantity: Double]) -> [Quantity] {
    Quantity.allCases.filter { quantity in
      guard let allowed = tolerance[quantity] else { return false }
      return Self.groups.contains { (medianAbsoluteError(quantity, kernels: $0) ?? 0) > allowed }
    }
  }

  package static let groups: [KernelSupport] = [.fast, .portable]
}

extension Validation {
  /// The members of the answer of `validate` (docs/json.md).
  package var members: [JSON.Member] {
    let rows = self.rows.map { row -> JSON in
      [
        "model": .string(row.model), "variant": .string(row.variant), "quantity": .string(row.quantity.rawValue),
        "estimate": .number(row.estimate), "low": .number(row.low), "high": .number(row.high),
        "measured": .number(row.measured), "relativeError": .number(row.relativeError),
        "insideInterval": .bool(row.isInsideInterval), "kernels": .string(row.kernels == .fast ? "own" : "decoded"),
      ]
    }
    return [
      .init("rows", .array(rows)), .init("medianAbsoluteError", medians(.fast)),
      .init("medianAbsoluteErrorDecoded", medians(.portable)),
      .init(
        "skipped",
        .array(
          skipped.map {
            ["model": .string($0.model), "variant": .string($0.variant), "reason": .string($0.reason)]
          })),
      .init("threads", threads.map { .integer(Int64($0)) } ?? .null),
      .init("threadsBatch", threadsBatch.map { .integer(Int64($0)) } ?? .null),
    ]
  }

  private func medians(_ kernels: KernelSupport) -> JSON {
    .object(
      Quantity.allCases.map { quantity in
        JSON.Member(quantity.rawValue, medianAbsoluteError(quantity, kernels: kernels).map { .number($0) } ?? .null)
      })
  }
}
