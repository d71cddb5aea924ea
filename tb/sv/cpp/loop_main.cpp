// SPDX-License-Identifier: Apache-2.0
// A bare C++ loop around loop_top: configures the core, streams x through it back to back, notes h. No Python, no VPI,
// no checker: what the verilated model can do at best. tb/flows/cpp_loop.py writes its inputs and reads what it leaves.
//
//   +CONFIG=FILE   what to do on s_axil, one line each, numbers in hex:
//                    W address data   write the word
//                    P address mask   read the word until a bit of mask is 1
//                    I 0 cycles       do nothing for so long
//   +X_FILE=FILE   beats of x, 128 bits each, most significant byte first, X_BEATS for each step
//   +X_BEATS=N     beats of an x packet
//   +STEPS=N       time steps to run
//   +HANG=N        cycles that a step, or a wait for a register, may take at most
//   +LOG=FILE      the lines X, H and Y of run_top.sv
//   and those of axi_dram.sv (+DRAM_...).
//
// The last line on stdout is JSON: clock cycles, wall and processor seconds from the first beat of x offered to the last
// one of h taken, and beats read from DRAM by then. Exit status 1 and one line on stderr say what went wrong.

#include <array>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <memory>
#include <string>
#include <vector>

#include "Vtop.h"
#include "verilated.h"

namespace {

constexpr int ResetCycles = 8;
constexpr int HalfPeriodPs = 4000;  // 125 MHz
constexpr int VecBytes = 16;
constexpr int VecWords = VecBytes / 4;
constexpr unsigned Okay = 0;

using Beat = std::array<uint32_t, VecWords>;  // least significant word first, as Verilator keeps it

[[noreturn]] void fail(const std::string& what) {
    std::fprintf(stderr, "loop: %s\n", what.c_str());
    std::exit(1);
}

std::string argument(VerilatedContext& context, const std::string& name) {
    const std::string found = context.commandArgsPlusMatch((name + "=").c_str());
    if (found.empty()) fail("+" + name + "= is missing");
    return found.substr(name.size() + 2);
}

uint64_t number(VerilatedContext& context, const std::string& name) {
    const std::string text = argument(context, name);
    char* end = nullptr;
    const uint64_t value = std::strtoull(text.c_str(), &end, 10);
    if (end == text.c_str() || *end != '\0') fail("+" + name + "=" + text + ": expected a number");
    return value;
}

std::FILE* open_file(const std::string& path, const char* mode) {
    std::FILE* const file = std::fopen(path.c_str(), mode);
    if (file == nullptr) fail(path + ": cannot open");
    return file;
}

class Loop {
public:
    Loop(VerilatedContext& context, uint64_t hang) : context_{context}, top_{&context}, hang_{hang} {
        top_.clk_i = 0;
        top_.rst_ni = 0;
        top_.s_axil_awvalid = top_.s_axil_wvalid = top_.s_axil_bready = 0;
        top_.s_axil_arvalid = top_.s_axil_rready = 0;
        top_.s_axis_x_tvalid = top_.s_axis_x_tlast = 0;
        top_.m_axis_h_tready = 1;
        top_.eval();
        for (int i = 0; i < ResetCycles; i++) tick();
        top_.rst_ni = 1;
        tick();
    }

    ~Loop() { top_.final(); }

    void configure(std::FILE* file) {
        char kind = 0;
        unsigned address = 0;
        unsigned word = 0;
        int found = 0;
        while ((found = std::fscanf(file, " %c %x %x", &kind, &address, &word)) == 3) {
            if (kind == 'W') write(address, word);
            else if (kind == 'P') poll(address, word);
            else if (kind == 'I') for (unsigned i = 0; i < word; i++) tick();
            else fail(std::string{"+CONFIG: unknown letter "} + kind);
        }
        if (found != EOF) fail("+CONFIG: a line is not `W|P|I number number`");
    }

    // Streams all packets of `x`, `x_beats` beats each; the next one is offered the cycle after h has left.
    void stream(const std::vector<Beat>& x, uint64_t x_beats, std::FILE* log) {
        const uint64_t steps = x.size() / x_beats;
        for (uint64_t step = 0; step < steps; step++) {
            const uint64_t offered = cycle_;
            std::fprintf(log, "X %llu %llu\n", as_printed(step), as_printed(offered));
            uint64_t beat = 0;
            offer(x, step, x_beats, beat);
            top_.eval();  // the core may answer in this very cycle
            for (bool last = false; !last;) {
                // Handshakes of this cycle; what they make the loop drive next comes after the edge.
                const bool took_x = top_.s_axis_x_tvalid && top_.s_axis_x_tready;
                if (top_.m_axis_h_tvalid) {
                    last = top_.m_axis_h_tlast;
                    std::fprintf(log, "H %08x%08x%08x%08x\n", top_.m_axis_h_tdata[3], top_.m_axis_h_tdata[2],
                                 top_.m_axis_h_tdata[1], top_.m_axis_h_tdata[0]);
                }
                if (last) {
                    std::fprintf(log, "Y %llu %llu %llu\n", as_printed(step), as_printed(cycle_),
                                 as_printed(top_.dram_beats_o));
                    std::fflush(log);
                }
                rise();
                if (took_x) offer(x, step, x_beats, ++beat);
                fall();
                if (top_.irq_o) fail("step " + std::to_string(step) + ": the core reports a fault");
                if (cycle_ - offered > hang_) fail("step " + std::to_string(step) + ": no end");
            }
        }
    }

    uint64_t cycle() const { return cycle_; }
    uint64_t dram_beats() const { return top_.dram_beats_o; }

    void check_dram() const {
        if (top_.dram_errors_o != 0) fail(std::to_string(top_.dram_errors_o) + " errors of the DRAM, see above");
    }

private:
    static unsigned long long as_printed(uint64_t value) { return value; }

    void rise() {
        context_.timeInc(HalfPeriodPs);
        top_.clk_i = 1;
        top_.eval();
    }

    void fall() {
        context_.timeInc(HalfPeriodPs);
        top_.clk_i = 0;
        top_.eval();
        cycle_++;
    }

    void tick() {
        rise();
        fall();
    }

    void offer(const std::vector<Beat>& x, uint64_t step, uint64_t x_beats, uint64_t beat) {
        top_.s_axis_x_tvalid = beat < x_beats;
        top_.s_axis_x_tlast = beat + 1 == x_beats;
        if (beat >= x_beats) return;
        for (int i = 0; i < VecWords; i++) top_.s_axis_x_tdata[i] = x[step * x_beats + beat][i];
    }

    void write(unsigned address, unsigned data) {
        top_.s_axil_awaddr = address;
        top_.s_axil_wdata = data;
        top_.s_axil_awvalid = top_.s_axil_wvalid = top_.s_axil_bready = 1;
        top_.eval();
        for (uint64_t waited = 0; waited < hang_; waited++) {
            const bool aw = top_.s_axil_awvalid && top_.s_axil_awready;
            const bool w = top_.s_axil_wvalid && top_.s_axil_wready;
            const bool answered = top_.s_axil_bvalid;
            const unsigned response = top_.s_axil_bresp;
            rise();
            if (aw) top_.s_axil_awvalid = 0;
            if (w) top_.s_axil_wvalid = 0;
            if (answered) top_.s_axil_bready = 0;
            fall();
            if (!answered) continue;
            if (response != Okay) fail("a register refused a write, response " + std::to_string(response));
            return;
        }
        fail("a register write was not answered");
    }

    unsigned read(unsigned address) {
        top_.s_axil_araddr = address;
        top_.s_axil_arvalid = top_.s_axil_rready = 1;
        top_.eval();
        for (uint64_t waited = 0; waited < hang_; waited++) {
            const bool ar = top_.s_axil_arvalid && top_.s_axil_arready;
            const bool answered = top_.s_axil_rvalid;
            const unsigned data = top_.s_axil_rdata;
            const unsigned response = top_.s_axil_rresp;
            rise();
            if (ar) top_.s_axil_arvalid = 0;
            if (answered) top_.s_axil_rready = 0;
            fall();
            if (!answered) continue;
            if (response != Okay) fail("a register refused a read, response " + std::to_string(response));
            return data;
        }
        fail("a register read was not answered");
    }

    void poll(unsigned address, unsigned mask) {
        for (const uint64_t start = cycle_; (read(address) & mask) == 0;) {
            if (top_.irq_o) fail("the core reports a fault before the first step");
            if (cycle_ - start > hang_) fail("a register never showed what was waited for");
        }
    }

    VerilatedContext& context_;
    Vtop top_;
    uint64_t hang_;
    uint64_t cycle_ = 0;
};

std::vector<Beat> read_x(const std::string& path, uint64_t beats) {
    std::FILE* const file = open_file(path, "rb");
    std::vector<Beat> x(beats);
    for (Beat& beat : x) {
        std::array<unsigned char, VecBytes> bytes{};
        if (std::fread(bytes.data(), 1, bytes.size(), file) != bytes.size()) fail(path + ": ends early");
        for (int i = 0; i < VecBytes; i++)
            beat[VecWords - 1 - i / 4] |= static_cast<uint32_t>(bytes[i]) << (8 * (3 - i % 4));
    }
    std::fclose(file);
    return x;
}

}  // namespace

int main(int argc, char** argv) {
    const auto context = std::make_unique<VerilatedContext>();
    context->commandArgs(argc, argv);
    const uint64_t x_beats = number(*context, "X_BEATS");
    const uint64_t steps = number(*context, "STEPS");
    if (x_beats == 0 || steps == 0) fail("+X_BEATS and +STEPS: expected at least 1");
    const std::vector<Beat> x = read_x(argument(*context, "X_FILE"), steps * x_beats);
    std::FILE* const log = open_file(argument(*context, "LOG"), "w");
    std::FILE* const config = open_file(argument(*context, "CONFIG"), "r");

    Loop loop{*context, number(*context, "HANG")};
    loop.configure(config);
    loop.check_dram();

    const uint64_t first_cycle = loop.cycle();
    const std::clock_t computed = std::clock();
    const auto started = std::chrono::steady_clock::now();
    loop.stream(x, x_beats, log);
    const std::chrono::duration<double> wall = std::chrono::steady_clock::now() - started;
    const double cpu = static_cast<double>(std::clock() - computed) / CLOCKS_PER_SEC;

    loop.check_dram();
    std::fclose(config);
    if (std::fclose(log) != 0) fail("the file of +LOG: cannot write");
    std::printf("{\"cycles\": %llu, \"wall_seconds\": %.6f, \"cpu_seconds\": %.6f, \"dram_beats\": %llu}\n",
                static_cast<unsigned long long>(loop.cycle() - first_cycle), wall.count(), cpu,
                static_cast<unsigned long long>(loop.dram_beats()));
    return 0;
}
