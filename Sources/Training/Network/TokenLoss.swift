// SPDX-License-Identifier: Apache-2.0

/// What is minimised: the cross entropy of the next token, mixed with the distance from a teacher's distributions.
///
///     loss = (1 − α) · −ln p(next) + α · T² · KL(teacher at T ‖ student at T)
///
/// T² keeps the gradients of both parts of one size whatever the temperature.
/// - Source: Hinton, Vinyals and Dean, arXiv 1503.02531, section 2.
package struct TokenLoss: Sendable, Equatable {
  /// The teacher's share α; 0 without one.
  package var teacherShare: Double
  package var temperature: Double

  package init(teacherShare: Double = 0, temperature: Double = 1) {
    self.teacherShare = teacherShare
    self.temperature = temperature
  }

  /// One token's, or the mean of many.
  package struct Value: Sendable, Equatable {
    /// What is minimised.
    package var total = 0.0
    /// The cross entropy alone, in nats: its exponential is the perplexity.
    package var crossEntropy = 0.0

    package init(total: Double = 0, crossEntropy: Double = 0) {
      self.total = total
      self.crossEntropy = crossEntropy
    }
  }

  /// The loss of a token; turns its logits (vocabulary) into their gradient, times `scale`.
  ///
  /// - Parameter teacher: the teacher's logits, which become probabilities.
  func differentiate<Number: TrainingNumber>(
    _ logits: UnsafeMutablePointer<Number>, teacher: UnsafeMutablePointer<Number>?, vocabulary: Int, target: Int,
    scale: Number
  ) -> Value {
    guard let teacher, teacherShare > 0 else {
      let loss = Self.softmax(logits, vocabulary, target: target, weight: scale)
      return Value(total: loss, crossEntropy: loss)
    }
    return withUnsafeTemporaryAllocation(of: Number.self, capacity: vocabulary) { soft in
      guard let soft = soft.baseAddress else { return Value() }
      let t = Number(temperature)
      for i in 0..<vocabulary {
        soft[i] = logits[i] / t
        teacher[i] /= t
      }
      let hard = Self.softmax(logits, vocabulary, target: target, weight: scale * Number(1 - teacherShare))
      let divergence = Self.divergence(soft, from: teacher, vocabulary)
      // d(T² · KL) / d(logit) = T · (student − teacher)
      let weight = scale * Number(teacherShare) * t
      for i in 0..<vocabulary { logits[i] += weight * (soft[i] - teacher[i]) }
      let softLoss = temperature * temperature * divergence
      return Value(total: (1 - teacherShare) * hard + teacherShare * softLoss, crossEntropy: hard)
    }
  }

  /// −ln p(target); logits become weight · (p − 1 at the target).
  private static func softmax<Number: TrainingNumber>(
    _ z: UnsafeMutablePointer<Number>, _ count: Int, target: Int, weight: Number
  ) -> Double {
    let chosen = z[target]
    let (largest, sum) = exponentials(z, count)
    let factor = weight / sum
    for i in 0..<count { z[i] *= factor }
    z[target] -= weight
    return Double(largest) + Double(Number.logarithm(sum)) - Double(chosen)
  }

  /// KL(teacher ‖ student); both become probabilities.
  private static func divergence<Number: TrainingNumber>(
    _ student: UnsafeMutablePointer<Number>, from teacher: UnsafeMutablePointer<Number>, _ count: Int
  ) -> Double {
    // Σ p · (ln p − ln q) with ln p − ln q = teacher − student + constant.
    var difference = 0.0
    return withUnsafeTemporaryAllocation(of: Number.self, capacity: count) { gap in
      for i in 0..<count { gap[i] = teacher[i] - student[i] }
      let (largestStudent, studentSum) = exponentials(student, count)
      let (largestTeacher, teacherSum) = exponentials(teacher, count)
      for i in 0..<count {
        student[i] /= studentSum
        teacher[i] /= teacherSum
        difference += Double(teacher[i]) * Double(gap[i])
      }
      let constant =
        Double(largestStudent) + Double(Number.logarithm(studentSum)) - Double(largestTeacher)
        - Double(Number.logarithm(teacherSum))
      return difference + constant
    }
  }

  /// Turns numbers into the exponentials of their distance from the largest; gives that and the sum.
  private static func exponentials<Number: TrainingNumber>(
    _ z: UnsafeMutablePointer<Number>, _ count: Int
  ) -> (largest: Number, sum: Number) {
    var largest = z[0]
    for i in 1..<max(1, count) where z[i] > largest { largest = z[i] }
    var sum: Number = 0
    for i in 0..<count {
      z[i] = Number.exponential(z[i] - largest)
      sum += z[i]
    }
    return (largest, sum)
  }
}
