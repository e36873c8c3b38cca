// SPDX-License-Identifier: Apache-2.0
import Foundation
import Hardware
import Profiles
import Quantities
import TestSupport
import Testing

@Suite struct MachineDescriptionTests {
  @Test func `a described machine has exactly the figures that were typed`() throws {
    let machine = try MachineDescription(
      inline: "kind=gpu,memory=24GB,bandwidth=1008GB/s,fp16=165TFLOP/s,int8=330TOP/s,tdp=450W")
    #expect(machine.computes == .gpu)
    #expect(machine.memory == ByteCount(24_000_000_000))
    #expect(machine.bandwidth == Bandwidth(magnitude: 1008e9))
    #expect(machine.float16 == OperationRate(magnitude: 165e12))
    #expect(machine.int8 == OperationRate(magnitude: 330e12))
    #expect(machine.thermalDesign == Power(watts: 450))
    #expect(machine.idle == nil)
    #expect(machine.float32 == nil)
    #expect(machine.profile.origin == .described)
    let device = try #require(machine.profile.accelerators.first)
    #expect(device.memoryTotal.value == ByteCount(24_000_000_000))
    #expect(device.power.idle.value == nil)
    #expect(device.power.idle.reason?.isEmpty == false)
  }

  @Test func `order, spaces and further keys do not matter`() throws {
    let one = try MachineDescription(inline: "kind=cpu,memory=16GiB,bandwidth=50GB/s,cores=8,name=box,idle=0W")
    let other = try MachineDescription(
      inline: " name = box , idle=0 W, cores=8,bandwidth=50 GB/s, memory=16GiB,kind=cpu")
    #expect(one == other)
    #expect(one.profile.processor.coreCount == 8)
    #expect(one.profile.memory.total.value == .gibibytes(16))
    #expect(one.profile.accelerators.isEmpty)
  }

  @Test func `several devices share the figures that were given for all`() throws {
    let machine = try MachineDescription(
      inline: "kind=gpu,memory=160GB,bandwidth=4000GB/s,fp16=600TFLOP/s,tdp=800W,devices=2")
    let devices = machine.profile.accelerators
    #expect(devices.count == 2)
    #expect(devices.allSatisfy { $0.memoryTotal.value == .gigabytes(80) && $0.bandwidth.value?.magnitude == 2e12 })
    #expect(
      devices.allSatisfy { $0.peaks.float16.value?.magnitude == 3e14 && $0.power.thermalDesign.value?.watts == 400 })
  }

  @Test(arguments: [
    ("memory=24GB,bandwidth=1008GB/s", "kind"), ("kind=gpu,bandwidth=1008GB/s", "memory"),
    ("kind=gpu,memory=24GB", "bandwidth"), ("kind=toaster,memory=24GB,bandwidth=1GB/s", "toaster"),
    ("kind=gpu,memory=24,bandwidth=1GB/s", "memory"), ("kind=gpu,memory=24G,bandwidth=1GB/s", "memory"),
    ("kind=gpu,memory=24GB/s,bandwidth=1GB/s", "memory"), ("kind=gpu,memory=,bandwidth=1GB/s", "memory"),
    ("kind=gpu,memory=0GB,bandwidth=1GB/s", "memory"), ("kind=gpu,memory=-1GB,bandwidth=1GB/s", "memory"),
    ("kind=gpu,memory=nanGB,bandwidth=1GB/s", "memory"), ("kind=gpu,memory=1GB,bandwidth=1GB", "bandwidth"),
    ("kind=gpu,memory=1GB,bandwidth=0GB/s", "bandwidth"), ("kind=gpu,memory=1GB,bandwidth=1GB/s,fp16=5", "fp16"),
    ("kind=gpu,memory=1GB,bandwidth=1GB/s,fp16=0TFLOP/s", "fp16"),
    ("kind=gpu,memory=1GB,bandwidth=1GB/s,fp32=1GB", "fp32"), ("kind=gpu,memory=1GB,bandwidth=1GB/s,int8=x", "int8"),
    ("kind=gpu,memory=1GB,bandwidth=1GB/s,tdp=450", "tdp"), ("kind=gpu,memory=1GB,bandwidth=1GB/s,tdp=0W", "tdp"),
    ("kind=gpu,memory=1GB,bandwidth=1GB/s,idle=-1W", "idle"), ("kind=gpu,memory=1GB,bandwidth=1GB/s,cores=0", "cores"),
    ("kind=gpu,memory=1GB,bandwidth=1GB/s,devices=1.5", "devices"),
    ("kind=gpu,memory=1GB,bandwidth=1GB/s,devices=99999999999999999999", "devices"),
    ("kind=gpu,memory=1GB,bandwidth=1GB/s,colour=red", "colour"),
    ("kind=gpu,memory=1GB,memory=2GB,bandwidth=1GB/s", "memory"),
    ("kind=gpu,memory=1GB,bandwidth=1GB/s,fast", "fast"),
  ]) func `what is not understood is named`(_ text: String, _ named: String) throws {
    let error = #expect(throws: MachineDescriptionError.self) { try MachineDescription(inline: text) }
    #expect(error?.message.contains(named) == true, "\(error?.message ?? "")")
    #expect(error?.exitCode == .badInput)
    #expect(error?.remedy.contains("kind=gpu,memory=24GB") == true)
  }

  @Test func `amounts beyond 64 bits stay at their end`() throws {
    for text in ["99999999999999999999TB", "9223372036854775807B"] {
      let machine = try MachineDescription(inline: "kind=gpu,memory=\(text),bandwidth=1GB/s,devices=3")
      #expect(machine.memory?.bytes == .max)
      #expect(try #require(machine.profile.accelerators.first?.memoryTotal.value) > .gigabytes(1e9))
    }
    let most = ByteCount(Int64.max)
    #expect(most + ByteCount(1) == most)
    #expect(most * 2 == most)
    #expect(ByteCount(Int64.min) - ByteCount(1) == ByteCount(Int64.min))
    #expect(most * -2 == ByteCount(Int64.min))
    #expect(most.aligned(to: 32) == most)
    #expect(ByteCount(magnitude: .infinity) == most)
  }

  @Test func `damaged descriptions give an error or a machine`() {
    let whole = Array("kind=gpu,memory=24GB,bandwidth=1008GB/s,fp16=165TFLOP/s,int8=330TOP/s,tdp=450W".utf8)
    var random = SeededRandom(seed: 11)
    var errors = 0
    for _ in 0..<2000 {
      var bytes = whole
      for _ in 0...Int.random(in: 0...3, using: &random) {
        let index = Int.random(in: bytes.indices, using: &random)
        switch Int.random(in: 0...2, using: &random) {
        case 0: bytes.remove(at: index)
        case 1: bytes[index] = UInt8.random(in: 32...126, using: &random)
        default: bytes.insert(UInt8(ascii: "9"), at: index)
        }
      }
      do { _ = try MachineDescription(inline: String(decoding: bytes, as: UTF8.self)).profile } catch { errors += 1 }
    }
    #expect(errors > 100 && errors < 2000)
  }

  @Test func `the catalogue finds a card by its usual name, and only that one`() throws {
    let catalogue = try MachineCatalogue(library: .standard())
    let machine = try catalogue.machine(named: "RTX 4090")
    #expect(machine.name == "GeForce RTX 4090")
    #expect(machine.bandwidth == Bandwidth(magnitude: 1008e9))
  }
}

/// Several devices, what joins them, and the host beside them.
@Suite struct DescribedLinkTests {
  private static func machine(_ text: String) throws -> HardwareProfile {
    try MachineCatalogue(library: .standard()).machine(described: text).profile
  }

  @Test func `a number before a name makes so many devices, each with its own figures`() throws {
    let (one, two) = (try Self.machine("GeForce RTX 3090"), try Self.machine("2x RTX 3090"))
    #expect(two.accelerators == [one.accelerators[0], one.accelerators[0]])
    #expect(one.accelerators[0].links.peer.value == nil)
    // A name of the catalogue that begins so is itself.
    #expect(try Self.machine("2x Xeon E5-2697A v4").accelerators.isEmpty)
  }

  /// NVIDIA states 112.5 GB/s for both directions of an RTX 3090's bridge.
  @Test func `a bridge and a host are there when somebody says so`() throws {
    let machine = try Self.machine("2x RTX 3090, nvlink, host-memory=64GB, host-bandwidth=80GB/s, host-cores=16")
    #expect(machine.accelerators.allSatisfy { $0.links.peer.value == Bandwidth(magnitude: 56.25e9) })
    #expect(machine.memory.usable.value == .gigabytes(64) && machine.processor.coreCount == 16)
    #expect(machine.memory.peakBandwidth.value == Bandwidth(magnitude: 80e9))
    #expect(throws: MachineDescriptionError.noBridge(machine: "GeForce RTX 4090")) {
      try Self.machine("2x GeForce RTX 4090, nvlink")
    }
    #expect(throws: MachineDescriptionError.notALink(key: "pcie", value: "9x99")) {
      try Self.machine("RTX 3090, pcie=9x99")
    }
  }

  /// PCI Express: 15.75 GB/s for 16 lanes of generation 3 and twice that for 4, with 128 of 130 bits; 4 GB/s for 8 of 2.
  @Test func `lanes and generation make a bandwidth`() throws {
    for (text, gigabytes) in [("3x16", 15.754), ("4.0 x16", 31.508), ("4x8", 15.754), ("2x8", 4.0), ("5x16", 63.015)] {
      #expect(abs(try #require(ExpressLink(text)).bandwidth.magnitude / 1e9 - gigabytes) < 0.001, "\(text)")
    }
    #expect(ExpressLink(speed: "16.0 GT/s PCIe", width: "16") == ExpressLink(generation: 4, lanes: 16))
    for text in ["x16", "4", "0x16", "4x7", "4.5x16", "-1x16"] { #expect(ExpressLink(text) == nil, "\(text)") }
    #expect(ExpressLink(speed: "Unknown", width: "0") == nil)
  }
}
