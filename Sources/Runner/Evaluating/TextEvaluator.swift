// SPDX-License-Identifier: Apache-2.0
package import Evidence
package import Inference
internal import LanguageModel

/// Judges a text token by token, alone or against a reference model that runs beside it.
package struct TextEvaluator {
  private let session: InferenceSession
  private let reference: InferenceSession?
  private let kept: LogitBuffer
  private let progress: (String) -> Void
  private let isCancelled: () -> Bool

  /// - Precondition: both sessions have the same vocabulary and hold a window's tokens.
  package init(
    session: InferenceSession, reference: InferenceSession?, progress: @escaping (String) -> Void = { _ in },
    isCancelled: @escaping () -> Bool = { false }
  ) {
    self.session = session
    self.reference = reference
    self.progress = progress
    self.isCancelled = isCancelled
    kept = LogitBuffer(vocabulary: session.architecture.vocabularySize)
  }

  /// Judges the windows of a sequence.
  ///
  /// - Parameters:
  ///   - first: replaces the first token of each window (llama.cpp puts the beginning of a sequence there).
  ///   - score: gets the likelihoods added; `divergence` too when there is a reference.
  /// - Returns: false when it was cancelled before the end.
  package func judge(
    _ windows: [ScoringWindow], of tokens: [Int32], first: Int32? = nil, score: inout TextScore,
    divergence: inout Divergence
  ) throws(LanguageRuntimeError) -> Bool {
    for (index, window) in windows.enumerated() {
      var inputs = Array(tokens[window.inputs])
      if let first { inputs[0] = first }
      let silent = window.targets.lowerBound - 1 - window.inputs.lowerBound
      let sessions = [reference, session].compactMap { $0 }
      for session in sessions {
        session.truncate()
        try session.run(Array(inputs[..<silent]))
      }
      for start in stride(from: silent, to: inputs.count, by: kept.rows) {
        if isCancelled() { return false }
        report(index, windows.count, score)
        let part = Array(inputs[start..<min(start + kept.rows, inputs.count)])
        let targets = tokens[(window.inputs.lowerBound + start + 1)...].prefix(part.count)
        try judge(part, targets, &score, &divergence)
      }
    }
    return true
  }

  private func judge(
    _ inputs: [Int32], _ targets: ArraySlice<Int32>, _ score: inout TextScore, _ divergence: inout Divergence
  ) throws(LanguageRuntimeError) {
    try reference?.forEachLogits(of: inputs) { kept.store($1, row: $0) }
    try session.forEachLogits(of: inputs) { index, logits in
      let row = LogitRow(UnsafeBufferPointer(logits))
      let target = targets[targets.startIndex + index]
      let nats = -row.logProbability(target)
      score.likelihood.add(nats)
      guard reference != nil else { return }
      let other = kept.row(index)
      divergence.add(
        other.divergence(from: row), agrees: other.top == row.top, nats: nats,
        reference: -other.logProbability(target))
    }
  }

  private func report(_ window: Int, _ count: Int, _ score: TextScore) {
    let perplexity = score.perplexity.map { ", perplexity so far \($0.value)" } ?? ""
    progress("window \(window + 1) of \(count)\(perplexity)")
  }
}
