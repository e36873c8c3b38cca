// SPDX-License-Identifier: Apache-2.0
package import Hardware
internal import Quantities

/// What llama.cpp makes of a vendor's figures on one class of device.
///
/// - Source: least squares over the public llama.cpp table of XiongjieDai/GPU-Benchmarks-on-LLM-Inference (May 2024):
///   26 decode rates on 13 GDDR cards, 9 on HBM cards, 10 on Apple chips; compute efficiencies of GDDR cards from the
///   20 prompt rates of Llama-3-8B in the same table (medians 0.50 and 0.35).
package struct DeviceClass: Sendable {
  package let name: String
  /// Share of the peak bandwidth that decoding reaches.
  package let bandwidthShare: Double
  /// Seconds per layer beyond the bytes.
  package let layerSeconds: Double
  /// Share of the dense 16-bit peak that a long prompt reaches: with weights in 16 or 32 bits, and with quantised ones.
  package let computeShare: (float: Double, quantised: Double)
  /// Errors on that table at the 90th percentile, as fractions.
  package let decodeError: Double
  package let prefillError: Double

  static let graphicsMemory = DeviceClass(
    name: "GDDR", bandwidthShare: 0.898, layerSeconds: 85e-6, computeShare: (0.50, 0.36), decodeError: 0.12,
    prefillError: 0.4)
  static let stackedMemory = DeviceClass(
    name: "HBM", bandwidthShare: 0.594, layerSeconds: 102e-6, computeShare: (0.45, 0.45), decodeError: 0.2,
    prefillError: 0.5)
  static let unifiedMemory = DeviceClass(
    name: "unified memory", bandwidthShare: 0.795, layerSeconds: 193e-6, computeShare: (0.45, 0.45),
    decodeError: 0.3, prefillError: 0.6)

  init(
    name: String, bandwidthShare: Double, layerSeconds: Double, computeShare: (float: Double, quantised: Double),
    decodeError: Double, prefillError: Double
  ) {
    self.name = name
    self.bandwidthShare = bandwidthShare
    self.layerSeconds = layerSeconds
    self.computeShare = computeShare
    self.decodeError = decodeError
    self.prefillError = prefillError
  }

  package static func of(_ device: Accelerator) -> DeviceClass {
    if device.hasUnifiedMemory || device.kind != .gpu { return unifiedMemory }
    return (device.memoryTechnology ?? "").uppercased().hasPrefix("HBM") ? stackedMemory : graphicsMemory
  }
}
