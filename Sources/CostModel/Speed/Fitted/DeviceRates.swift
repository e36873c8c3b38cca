// SPDX-License-Identifier: Apache-2.0
package import Hardware
internal import Quantities

/// The vendor's figures that the time model needs, and the class of devices that share coefficients.
package struct DeviceRates: Sendable, Equatable {
  /// Devices whose engines reach alike shares of the vendors' figures.
  package enum Class: String, Sendable, CaseIterable {
    case nvidia
    case nvidiaStacked = "nvidia-hbm"
    /// Pascal: 16-bit arithmetic slower than 32-bit.
    case nvidiaScalar = "nvidia-pascal"
    /// GTX 16: no matrix units.
    case nvidiaVector = "nvidia-gtx16"
    case nvidiaUnified = "nvidia-unified"
    case amd, intel, apple
    case appleFast = "apple-lpddr5x"
    /// M5: matrix units in the graphics unit.
    case appleMatrix = "apple-matrix"
    case x86, arm
  }

  package var deviceClass: Class
  package var bandwidth: Double
  /// 32-bit operations per second of the vector units.
  package var vectorRate: Double
  /// Dense operations per second of whatever computes products fastest.
  package var matrixRate: Double

  /// - Throws: `NoSpeed` when the bandwidth is not known.
  package init(_ device: Accelerator) throws(NoSpeed) {
    guard let bandwidth = device.bandwidth.value else {
      throw NoSpeed("the memory bandwidth of \(device.name) is not known")
    }
    let float32 = device.peaks.float32.value?.magnitude
    let float16 = device.peaks.float16.value?.magnitude
    let int8 = device.peaks.int8.value?.magnitude
    // Vendors state 16-bit rates of consumer cards with sums in 32 bits, which halves them; half of the 8-bit rate is
    // the same for all.
    let matrix = max(float16 ?? 0, (int8 ?? 0) / 2)
    self.bandwidth = bandwidth.magnitude
    deviceClass = Self.deviceClass(device, float32 ?? 0, float16 ?? 0, int8 ?? 0)
    let vector = float32 ?? float16.map { $0 / 2 } ?? bandwidth.magnitude * Self.usualOperationsPerByte
    matrixRate = matrix > 0 ? matrix : vector
    // Apple's matrix units take a part of what the vector units do elsewhere.
    vectorRate = deviceClass == .appleMatrix ? (vector * matrixRate).squareRoot() : vector
  }

  /// Vector operations per byte of bandwidth, the median of the known graphics devices.
  static let usualOperationsPerByte = 35.0
  /// A core of 4 GHz with 16 operations a cycle, where nothing is known.
  static let usualCore = 64e9
  /// A core's 32-bit rate against which products count by the square root: wider vectors gain small products less.
  static let referenceCore = 100e9
  /// What one instruction for four products of bytes gains where three did it before.
  static let dotProductGain = 2.0

  /// A processor with that many threads.
  ///
  /// - Parameter bandwidth: bytes per second that the vendor states, or an equivalent of what was measured.
  package init(_ processor: Processor, vendor: String?, threads: Int, bandwidth: Double) {
    let cores = max(1, processor.coreCount)
    let core = processor.peaks.float32.value.map { $0.magnitude / Double(cores) } ?? Self.usualCore
    let busy = Double(max(1, min(threads, cores)))
    self.bandwidth = bandwidth
    deviceClass = Self.isARM(processor, vendor) ? .arm : .x86
    vectorRate = busy * core * (Self.hasDotProducts(processor) ? Self.dotProductGain : 1)
    matrixRate = busy * (core * Self.referenceCore).squareRoot()
  }

  /// Whether one instruction multiplies and adds four bytes: stated by name, or by four times the 32-bit rate.
  private static func hasDotProducts(_ processor: Processor) -> Bool {
    let names: Set = ["avx512_vnni", "avx_vnni", "asimddp", "i8mm"]
    if names.contains(where: processor.worthUsing) { return true }
    guard let bytes = processor.peaks.int8.value, let floats = processor.peaks.float32.value else { return false }
    return bytes.magnitude > 3 * floats.magnitude
  }

  private static func isARM(_ processor: Processor, _ vendor: String?) -> Bool {
    if processor.architecture != "unknown" { return processor.architecture.hasPrefix("a") }
    let makers = [
      "Apple", "Ampere", "AWS", "Raspberry Pi", "Qualcomm", "Rockchip", "CIX", "NVIDIA", "Google", "Orange Pi",
    ]
    return makers.contains(vendor ?? processor.vendor ?? "")
  }

  private static func deviceClass(_ device: Accelerator, _ float32: Double, _ float16: Double, _ int8: Double) -> Class
  {
    let isUnified = device.hasUnifiedMemory || device.kind != .gpu
    let technology = (device.memoryTechnology ?? "").uppercased()
    switch device.vendor.lowercased() {
    case let vendor where vendor.contains("amd"): return .amd
    case let vendor where vendor.contains("intel"): return .intel
    case let vendor where vendor.contains("apple"):
      if float16 > 1.5 * float32 { return .appleMatrix }
      return technology.hasPrefix("LPDDR5X") ? .appleFast : .apple
    case _ where isUnified: return .nvidiaUnified
    case _ where technology.hasPrefix("HBM"): return .nvidiaStacked
    case _ where float16 > 0 && float16 < float32: return .nvidiaScalar
    case _ where int8 > 0 && int8 < 6 * float32: return .nvidiaVector
    default: return .nvidia
    }
  }
}
