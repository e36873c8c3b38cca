// SPDX-License-Identifier: Apache-2.0

/// What a file made by this program says of its making, in its metadata.
package enum Provenance {
  /// The variant's name.
  package static let variantKey = "anprobe.variant"
  /// The version that made the file.
  package static let versionKey = "anprobe.version"
  /// The name of the file it was made from.
  package static let sourceKey = "anprobe.source"
  /// What the steps of the variant did: which layers went, by which criterion.
  package static let stepsKey = "anprobe.steps"
  /// What the weights of the squared errors came from: nothing, or a text.
  package static let calibrationKey = "anprobe.calibration"
  /// How the weights were trained here: text, steps, rate, teacher.
  package static let trainingKey = "anprobe.training"
}
