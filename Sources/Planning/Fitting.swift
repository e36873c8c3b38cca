// SPDX-License-Identifier: Apache-2.0
package import Compression
package import CostModel
internal import Dispatch
internal import Foundation
package import LanguageModel
package import Profiles
package import Quantities
package import Recommender

/// What fits on a machine: every model, its best variant, and all the others.
package struct FitsAnswer: Sendable {
  /// One model with its variants.
  package struct Row: Sendable {
    package var name: String
    package var release: String
    package var licence: String
    /// The best variant under the constraints; the smallest one where none satisfies them.
    package var best: CostEstimate
    /// Nil when the best satisfies the constraints.
    package var refusal: Refusal?
    package var all: [CostEstimate]
    /// Variants that the model's shapes allow.
    package var estimateCount: Int
  }

  package var platform: Platform
  package var workload: Workload
  package var objective: Objective
  /// Those that satisfy the constraints first; see `Fitting.rank`.
  package var rows: [Row]
  /// Models whose shapes could not be read, with the reason: never silently left out.
  package var unreadable: [(name: String, reason: String)]
  package var estimateCount: Int

  package var fitting: [Row] { rows.filter { $0.refusal == nil } }
}

/// Sizes a whole catalogue on one platform.
package struct Fitting: Sendable {
  package let platform: Platform
  package let workload: Workload
  package let quality: QualityModel
  package let recommender: Recommender
  package let variants: [CompressionVariant]
  /// Keep every variant's estimate, not the best alone.
  package let keepsAll: Bool
  /// The models that the variants' students are, by their names.
  package let students: [String: LanguageModelDescription]

  /// Reading speed: below it a model fits but is no pleasure to wait for.
  package static let usableRate = TokenRate(magnitude: 5)

  package init(
    platform: Platform, workload: Workload, quality: QualityModel, recommender: Recommender,
    variants: [CompressionVariant] = CompressionVariant.offered, keepsAll: Bool = false,
    students: [String: LanguageModelDescription] = [:]
  ) {
    self.platform = platform
    self.workload = workload
    self.quality = quality
    self.recommender = recommender
    self.variants = variants
    self.keepsAll = keepsAll
    self.students = students
  }

  package func answer(_ entries: [ModelCatalogue.Entry]) -> FitsAnswer {
    let results = Self.parallel(entries.count) { index in row(entries[index]) }
    var rows: [FitsAnswer.Row] = []
    var unreadable: [(name: String, reason: String)] = []
    for (entry, result) in zip(entries, results) {
      switch result {
      case .success(let row): rows.append(row)
      case .failure(let error): unreadable.append((entry.identifier, error.reason))
      }
    }
    let keyed = rows.map { (row: $0, key: rank($0)) }
    let sorted = keyed.sorted { $0.key.lexicographicallyPrecedes($1.key) }.map(\.row)
    return FitsAnswer(
      platform: platform, workload: workload, objective: recommender.objective, rows: sorted, unreadable: unreadable,
      estimateCount: rows.reduce(0) { $0 + $1.estimateCount })
  }

  /// Why a model has no row.
  private struct Unreadable: Error { var reason: String }

  private func row(_ entry: ModelCatalogue.Entry) -> Result<FitsAnswer.Row, Unreadable> {
    let all: [CostEstimate]
    do throws(Unreadable) { all = try estimates(entry) } catch { return .failure(error) }
    let best: CostEstimate
    if let index = recommender.best(of: all) {
      best = all[index]
    } else {
      best = all.min { ($0.memory.total.value ?? .zero) < ($1.memory.total.value ?? .zero) } ?? all[0]
    }
    return .success(
      FitsAnswer.Row(
        name: entry.identifier, release: entry.release, licence: entry.licence, best: best,
        refusal: recommender.constraints.refusal(best, on: platform), all: keepsAll ? all : [],
        estimateCount: all.count))
  }

  /// One estimate per variant that the model's shapes allow.
  ///
  /// - Throws: `Unreadable` when they allow none, or when the configuration makes no sense.
  private func estimates(_ entry: ModelCatalogue.Entry) throws(Unreadable) -> [CostEstimate] {
    let description: LanguageModelDescription
    do { description = try entry.description() } catch { throw Unreadable(reason: error.message) }
    let estimator = CostEstimator(description, on: platform, workload: workload, quality: quality)
    var all: [CostEstimate] = []
    var refusal: CompressionError?
    for variant in variants {
      do throws(CompressionError) {
        let base = try student(of: description, variant) ?? estimator
        all.append(try base.restructured(for: variant).estimate(variant))
      } catch { refusal = error }
    }
    if let refusal, all.isEmpty { throw Unreadable(reason: refusal.message) }
    return all
  }

  /// The estimator of a variant's student; nil for a variant without one.
  private func student(
    of teacher: LanguageModelDescription, _ variant: CompressionVariant
  ) throws(CompressionError) -> CostEstimator? {
    guard let name = variant.student, let student = students[name] else { return nil }
    return CostEstimator(
      try student.student(named: name, of: teacher), on: platform, workload: workload, quality: quality)
  }

  /// The order for people: what satisfies the constraints at reading speed with at most a noticeable loss, then what
  /// does so more slowly, then what fits only by losing more, then the rest; within each the larger model first, a
  /// mixture of experts by the geometric mean of total and active parameters.
  private func rank(_ row: FitsAnswer.Row) -> [Double] {
    let rate = row.best.decodePerSequence.value ?? Self.usableRate
    let isCrippled = row.best.quality.grade.map { $0 > .noticeable } ?? true
    let group: Double = row.refusal != nil ? 3 : isCrippled ? 2 : rate < Self.usableRate ? 1 : 0
    let size = (Double(row.best.parametersTotal) * Double(row.best.parametersActive)).squareRoot()
    return [group, group == 3 ? size : -size, Double(row.best.memory.total.value?.bytes ?? 0)]
  }

  /// Maps over all processors: every item is independent.
  static func parallel<Value: Sendable>(
    _ count: Int, _ make: @Sendable (Int) -> Value
  ) -> [Value] {
    let results = Results<Value>(count: count)
    DispatchQueue.concurrentPerform(iterations: count) { index in results.set(index, make(index)) }
    return results.values
  }
}

/// Slots that each thread fills for itself.
private final class Results<Value: Sendable>: @unchecked Sendable {
  private let lock = NSLock()
  private var slots: [Value?]

  init(count: Int) { slots = Array(repeating: nil, count: count) }

  func set(_ index: Int, _ value: Value) {
    lock.lock()
    slots[index] = value
    lock.unlock()
  }

  var values: [Value] { slots.compactMap { $0 } }
}
