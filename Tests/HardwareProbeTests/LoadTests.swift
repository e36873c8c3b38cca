// SPDX-License-Identifier: Apache-2.0
@testable import HardwareProbe
import Quantities
import Testing

@Suite struct `Two load readings` {
  private let before = LoadReading(
    time: Seconds(100), processorPressure: Seconds(10), memoryPressure: Seconds(5), busy: Seconds(50),
    stolen: Seconds(1),
    own: Seconds(20), processingUnitCount: 2, throttleEvents: 3)

  @Test func `of a quiet machine give no doubt`() {
    var after = before
    after.time = Seconds(110)
    // Ten seconds on both processors, all of them ours.
    after.busy = Seconds(70)
    after.own = Seconds(40)
    #expect(LoadReading.doubts(between: before, and: after).isEmpty)
  }

  @Test func `tell what disturbed the time between them`() {
    var after = before
    after.time = Seconds(110)
    after.busy = Seconds(60)
    after.own = Seconds(24.96)
    after.processorPressure = Seconds(12)
    after.memoryPressure = Seconds(6)
    after.stolen = Seconds(3.04)
    after.throttleEvents = 5
    let doubts = LoadReading.doubts(between: before, and: after)
    #expect(doubts.map(\.kind) == ["others_busy", "processor_waits", "memory_waits", "time_stolen", "throttled"])
    #expect(
      doubts.map(\.message) == [
        "Other processes used 0.500 processors meanwhile; stop them and measure again.",
        "Tasks waited for a processor in 20.0 % of the time; use fewer threads or stop other work.",
        "Tasks waited for memory in 10.0 % of the time; free memory and measure again.",
        "The hypervisor took 10.0 % of the processor time; measure again when the host is quieter.",
        "The processor throttled 2 times; let it cool, or take the result as that of a warm machine.",
      ])
  }

  @Test func `in the wrong order or without counters give no doubt`() {
    #expect(LoadReading.doubts(between: LoadReading(time: Seconds(2)), and: before).isEmpty)
    #expect(LoadReading.doubts(between: before, and: LoadReading(time: Seconds(1))).isEmpty)
  }

  @Test func `come from the kernel's counters`() {
    let reading = LoadReading.now(
      tree([
        "/proc/loadavg": "1.25 0.5 0.5 2/100 42\n",
        "/proc/pressure/cpu": "some avg10=0.27 avg60=4.98 avg300=5.95 total=2500000\nfull avg10=0 total=9\n",
        "/proc/stat": "cpu  1000 20 300 5000 50 3 7 40 0 0\ncpu0 1 2 3 4 5 6 7 8\ncpu1 1 2 3 4 5 6 7 8\nintr 5\n",
        "/proc/self/stat": "77 (a (b) c) S 1 2 3 4 5 6 7 8 9 10 600 50 0 0\n",
        "/sys/devices/system/cpu/cpu0/thermal_throttle/core_throttle_count": "2\n",
        "/sys/devices/system/cpu/cpu0/thermal_throttle/package_throttle_count": "7\n",
        "/sys/devices/system/cpu/cpu1/thermal_throttle/core_throttle_count": "1\n",
        "/sys/devices/system/cpu/cpu1/thermal_throttle/package_throttle_count": "7\n",
      ]))
    #expect(reading.loadAverage == 1.25 && reading.processorPressure == Seconds(2.5) && reading.memoryPressure == nil)
    #expect(reading.busy == Seconds(13.3) && reading.stolen == Seconds(0.4) && reading.processingUnitCount == 2)
    #expect(reading.own == Seconds(6.5))
    // Two and one of the cores, seven of the package that both share.
    #expect(reading.throttleEvents == 10)
  }

  @Test func `of this machine move forward`() {
    let first = LoadReading.now()
    let second = LoadReading.now()
    #expect(second.time >= first.time && (second.busy ?? first.time) >= (first.busy ?? second.time))
  }
}
