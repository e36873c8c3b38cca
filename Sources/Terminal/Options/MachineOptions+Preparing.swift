// SPDX-License-Identifier: Apache-2.0
import CostModel
import Hardware
import Planning

extension MachineOptions {
  /// Measures this machine once when an answer about it would need that.
  ///
  /// - Parameter check: throws what is wrong with the rest of the question, before anybody waits for the measurement.
  func prepare(_ session: PlanningSession, _ console: Console, after check: () throws -> Void = {}) throws {
    let request = self.request(.init())
    guard calibrate, try session.needsCalibration(request) else { return }
    try check()
    console.notice("Measuring this machine's kernels once (about 20 s; --no-calibrate leaves it out).")
    let calibration = try session.calibrate(threads: threads.wish, toolVersion: Version.current) {
      console.progress($0)
    }
    console.endProgress()
    for warning in calibration.warnings { console.notice("Mind: \(warning)") }
  }
}
