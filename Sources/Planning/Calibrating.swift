// SPDX-License-Identifier: Apache-2.0
internal import Archive
package import CostModel
package import Evidence
internal import Foundation
package import Hardware
internal import HardwareProbe
internal import Inference
internal import LanguageModel
internal import Quantities
internal import Runner

extension PlanningSession {
  /// The newest calibration of this machine; nil when there is none yet.
  ///
  /// An archive that cannot be read must not keep anybody from an answer: then there is no calibration.
  func calibration(of profile: HardwareProfile) -> Calibration? {
    guard FileManager.default.fileExists(atPath: folders.archive) else { return nil }
    return try? Archive(path: folders.archive).calibration(machine: profile.fingerprint)
  }

  /// Measures this machine's kernels, keeps the result and gives it.
  package func calibrate(
    threads: ThreadWish = .none, toolVersion: String, progress: @escaping (String) -> Void
  ) throws -> Calibration {
    let profile = try HardwareProbe().profile()
    // An archive that cannot be written is told before the work, not after it.
    let archive = try Archive(path: folders.archive)
    let before = LoadReading.now()
    var calibration = try Calibrator(machine: profile, toolVersion: toolVersion, progress: progress)
      .calibrate(threads: threads)
    calibration.warnings += LoadReading.doubts(between: before, and: LoadReading.now()).map(\.message)
    try archive.save(calibration, machine: profile.fingerprint)
    return calibration
  }

  /// Whether this machine's kernels were measured within the hour with the threads asked for.
  func wasCalibratedLately(_ wish: ThreadWish) throws -> Bool {
    let machine = try profile(of: .here)
    guard let calibration = machine.calibration, let date = try? Date(calibration.date, strategy: .iso8601) else {
      return false
    }
    let counts = ThreadChoice(machine, wish).counts
    func has(_ operation: Calibration.Rate.Operation, _ threads: Int) -> Bool {
      calibration.rates.contains { $0.operation == operation && $0.threads == threads }
    }
    let age = Date.now.timeIntervalSince(date)
    return has(.matvec, counts.decode) && has(.gemm, counts.prefill) && (0..<3600).contains(age)
  }

  /// Measures rows of kept weights beside dense ones on this machine.
  ///
  /// - Parameter kernels: the name of a set; nil takes the best.
  package func sparsity(
    kernels: String?, threads: Int?, progress: @escaping (String) -> Void
  ) throws -> SparsityTable {
    let profile = try HardwareProbe().profile()
    let threads = threads ?? ThreadChoice(profile).counts.decode
    let set = try Self.kernels(kernels)
    return try SparsityTrial(machine: profile, kernels: set, progress: progress).measure(threads: threads)
  }

  /// The threads of each phase here: those asked for, and of the rest what was measured to be best.
  package func threads(_ wish: ThreadWish) throws -> ThreadCounts {
    ThreadChoice(try profile(of: .here), wish).counts
  }

  /// Whether an answer for the request would need a calibration that is not there yet.
  package func needsCalibration(_ request: PlanningRequest) throws -> Bool {
    guard request.machine == .here else { return false }
    let platform = try self.platform(request)
    return platform.engine == .anprobe && platform.machine.calibration == nil
  }
}

extension HardwareProfile {
  /// What a calibration holds for: the processors, their caches, the limits and the memory of a machine, in words.
  var fingerprint: String {
    let caches = processor.caches.map { "L\($0.level)\($0.kind.rawValue.prefix(1))\($0.size.bytes)x\($0.count)" }
    let sets = processor.instructionSets.filter(\.isPresent).map(\.name)
    return
      ([
        processor.architecture, processor.model ?? "", "\(processor.coreCount)", "\(processor.usableThreads)",
      ] + caches + sets).joined(separator: "|")
  }
}
