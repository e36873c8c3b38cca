// SPDX-License-Identifier: Apache-2.0
import CostModel
import Hardware
import Quantities
import Testing

/// The numbers of threads, from what each count reached.
@Suite struct ThreadChoiceTests {
  private static func machine(
    cores: Int, threads: Int? = nil, quota: Double? = nil,
    _ trials: [(threads: Int, decode: Double, prefill: Double)] = []
  ) -> HardwareProfile {
    let rates = trials.flatMap { trial in
      [
        CalibratedSpeedTests.rate(.decodeTrial, "", 0, trial.decode, threads: trial.threads),
        CalibratedSpeedTests.rate(.prefillTrial, "", 0, trial.prefill, threads: trial.threads),
      ]
    }
    var machine = Fixture.host(
      cores: cores, calibration: trials.isEmpty ? nil : CalibratedSpeedTests.calibration(rates))
    machine.processor.processingUnitCount = threads ?? cores
    machine.processor.limits.quotaProcessors = quota
    return machine
  }

  @Test func `without a measurement there is a thread for each core that the quota leaves`() {
    #expect(ThreadChoice(Self.machine(cores: 8)).counts == 8)
    #expect(ThreadChoice(Self.machine(cores: 8, threads: 16, quota: 3.5)).counts == 3)
    #expect(ThreadChoice(Self.machine(cores: 8)).reason.contains("--calibrate"))
  }

  @Test func `counts worth trying are powers of two, all cores, and all threads`() {
    #expect(ThreadChoice.candidates(for: Self.machine(cores: 1).processor) == [1])
    #expect(ThreadChoice.candidates(for: Self.machine(cores: 6, threads: 12).processor) == [1, 2, 4, 6, 12])
    #expect(ThreadChoice.candidates(for: Self.machine(cores: 8, threads: 16, quota: 2).processor) == [1, 2])
  }

  @Test func `each phase has the count that is best at it, and the choice names what was tried`() {
    // Four threads decode no faster than two, but prefill twice as fast.
    let choice = ThreadChoice(Self.machine(cores: 4, [(1, 10e9, 1e11), (2, 20e9, 2e11), (4, 20e9, 4e11)]))
    #expect(choice.counts == ThreadCounts(decode: 2, prefill: 4))
    #expect("\(choice.counts)" == "2 threads (4 for prompts)")
    #expect(
      choice.reason
        == "of 1, 2, 4 measured: 1 decodes 10.0 GB/s and prefills 100 GOP/s; 2 decode 20.0 GB/s and prefill 200 GOP/s; "
        + "4 decode 20.0 GB/s and prefill 400 GOP/s")
  }

  @Test func `of counts that are nearly as good the smallest leaves processors to others`() {
    #expect(ThreadChoice(Self.machine(cores: 4, [(2, 20e9, 2e11), (4, 20.2e9, 2.05e11)])).counts == 2)
    #expect(ThreadChoice(Self.machine(cores: 4, [(2, 20e9, 2e11), (4, 18e9, 1.5e11)])).counts == 2)
    // 3 % below the best is noise, 4 % is not.
    let machine = Self.machine(cores: 8, [(2, 19.2e9, 2e11), (4, 19.5e9, 3.84e11), (8, 20e9, 4e11)])
    #expect(ThreadChoice(machine).counts == ThreadCounts(decode: 4, prefill: 8))
  }

  @Test func `second threads of the cores serve prompts where they help them, and leave decoding alone`() {
    let helped = Self.machine(cores: 8, threads: 16, [(4, 60e9, 4e11), (8, 80e9, 8e11), (16, 76e9, 9e11)])
    #expect(ThreadChoice(helped).counts == ThreadCounts(decode: 8, prefill: 16))
    let hindered = Self.machine(cores: 8, threads: 16, [(4, 60e9, 4e11), (8, 80e9, 8e11), (16, 90e9, 7e11)])
    #expect(ThreadChoice(hindered).counts == ThreadCounts(decode: 16, prefill: 8))
  }

  @Test func `what is asked for stands, and the rest is chosen`() {
    let machine = Self.machine(cores: 4, [(1, 10e9, 1e11), (2, 20e9, 2e11), (4, 20e9, 4e11)])
    func counts(_ threads: Int?, _ batch: Int?) -> ThreadCounts {
      ThreadChoice(machine, ThreadWish(threads: threads, batch: batch)).counts
    }
    #expect(counts(3, nil) == ThreadCounts(decode: 3, prefill: 3))
    #expect(counts(3, 2) == ThreadCounts(decode: 3, prefill: 2))
    #expect(counts(nil, 3) == ThreadCounts(decode: 2, prefill: 3))
    #expect(counts(nil, nil) == ThreadCounts(decode: 2, prefill: 4))
  }

  @Test func `a count that the limits no longer allow is not taken`() {
    let machine = Self.machine(cores: 4, quota: 2, [(1, 10e9, 1e11), (2, 19e9, 2e11), (4, 40e9, 4e11)])
    #expect(ThreadChoice(machine).counts == 2)
  }
}
