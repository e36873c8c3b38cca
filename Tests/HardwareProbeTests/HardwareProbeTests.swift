// SPDX-License-Identifier: Apache-2.0
import Hardware
import HardwareProbe
import JSONText
import Quantities
import Testing

@Suite struct `This machine` {
  @Test func `gives a profile whose parts agree with each other`() throws {
    let profile = try HardwareProbe().profile()
    let processor = profile.processor
    #expect(profile.origin == .probed && processor.architecture != "unknown")
    #expect(processor.packageCount <= processor.dieCount && processor.coreCount <= processor.processingUnitCount)
    #expect((1...processor.processingUnitCount).contains(processor.usableThreads))
    #expect(processor.coreKinds.reduce(0) { $0 + $1.coreCount } == processor.coreCount)
    #expect(processor.caches.allSatisfy { $0.sharedByProcessingUnits * $0.count <= processor.processingUnitCount })
    #expect(profile.memory.total.value?.bytes ?? 0 > 1 << 28)
    #expect(profile.memory.usable.value?.bytes ?? 0 <= profile.memory.total.value?.bytes ?? 0)
    #expect(try HardwareProfile(json: profile.json, file: "live") == profile)
  }
}
