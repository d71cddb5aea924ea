// SPDX-License-Identifier: Apache-2.0
// Main program of builds with waves under Verilator: cocotb's own, whose dump of waves keeps to a window.
//
//   +WAVES_FROM_NS=N  +WAVES_TO_NS=N   nothing is written before or after these times
//   +WAVES_FROM_STEP=N +WAVES_TO_STEP=N  nor before step N is next to end, or after it has ended, as counted by the
//                                      bench's trace monitor
//   +WAVES_MOST_NS=N                   nor more than N ns of these steps; 0: no limit
//   +WAVES_CUT_FILE=PATH               written when that limit ends the dump
//
// The first dump inside the window holds every signal's value. A build without waves does not use this file.

#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <string>

#include "Vtop.h"
#include "verilated.h"
#include "verilated_vpi.h"

#if VM_TRACE_FST
#include <verilated_fst_c.h>
using WholeTrace = VerilatedFstC;
#else
#include <verilated_vcd_c.h>
using WholeTrace = VerilatedVcdC;
#endif

namespace {

constexpr uint64_t PsPerNs = 1000;
constexpr uint64_t Tail = 50 * PsPerNs;  // after the end of the last step: what follows at once

// The number after +NAME=, or `otherwise`.
uint64_t number(const char* name, uint64_t otherwise) {
    const std::string found = Verilated::commandArgsPlusMatch(name);
    const auto equals = found.find('=');
    return equals == std::string::npos ? otherwise : std::strtoull(found.c_str() + equals + 1, nullptr, 10);
}

// The text after +NAME=.
std::string text(const char* name) {
    const std::string found = Verilated::commandArgsPlusMatch(name);
    return found.substr(found.find('=') + 1);
}

class WindowTrace : public WholeTrace {
public:
    void dump(uint64_t time) {
        if (!asked_) ask();
        if (time >= from_ && time <= to_ && in_steps(time)) WholeTrace::dump(time);
    }

private:
    void ask() {
        asked_ = true;
        from_ = number("WAVES_FROM_NS=", 0) * PsPerNs;
        const uint64_t to = number("WAVES_TO_NS=", UINT64_MAX);
        to_ = to == UINT64_MAX ? to : to * PsPerNs;
        first_step_ = number("WAVES_FROM_STEP=", UINT64_MAX);
        last_step_ = number("WAVES_TO_STEP=", first_step_);
        most_ = number("WAVES_MOST_NS=", 0) * PsPerNs;
        if (first_step_ == UINT64_MAX) return;
        const std::string top = text("WAVES_TOP=");
        counter_ = vpi_handle_by_name(const_cast<char*>((top + ".u_trace.step_q").c_str()), nullptr);
        if (!counter_) VL_PRINTF("wave_main: no %s.u_trace.step_q, waves of the whole run\n", top.c_str());
    }

    bool in_steps(uint64_t time) {
        if (!counter_) return true;
        s_vpi_value value;
        value.format = vpiVectorVal;
        vpi_get_value(counter_, &value);
        const uint64_t step = value.value.vector[0].aval;
        if (step >= first_step_ && step <= last_step_) left_at_ = time;
        return step >= first_step_ && time <= left_at_ + Tail && !is_enough(time);
    }

    bool is_enough(uint64_t time) {
        if (begun_at_ == UINT64_MAX) begun_at_ = time;
        const bool enough = most_ != 0 && time > begun_at_ + most_;
        if (enough && !cut_) std::ofstream(text("WAVES_CUT_FILE=")) << most_ / PsPerNs << '\n';
        cut_ = cut_ || enough;
        return enough;
    }

    bool asked_ = false;
    uint64_t from_ = 0, to_ = 0, first_step_ = 0, last_step_ = 0, left_at_ = 0;
    uint64_t most_ = 0, begun_at_ = UINT64_MAX;
    bool cut_ = false;
    vpiHandle counter_ = nullptr;
};

}  // namespace

#define VerilatedFstC WindowTrace
#define VerilatedVcdC WindowTrace
#include "verilator.cpp"  // cocotb's
