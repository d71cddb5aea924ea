// SPDX-License-Identifier: Apache-2.0
// Main program of run_top under Verilator: makes its two clocks and lets cocotb work while Python is awake.
//
// Verilator runs delays as coroutines, and cocotb's own main program asks at every moment whether Python waits for
// anything. In a long run, most of which Python sleeps through, both together cost more than a third of the time. Here a
// clock cycle in which `asleep` is 1 is two evaluations and no more. The moments are those of run_top.sv without
// CLOCK_FROM_MAIN, so that all simulators agree on every cycle:
//
//   clk     4 ns after it fell it rises, 4 ns later it falls
//   py_clk  unless Python was asleep just before clk rose, rises 1 ns after it and falls with it
//
// While asleep is 1, cocotb must wait for nothing but its fall; a Timer would be late.

#include <algorithm>
#include <cstdio>

#include "Vtop.h"
#include "Vtop___024root.h"
#include "verilated.h"
#include "verilated_vpi.h"

extern "C" void vlog_startup_routines_bootstrap();  // cocotb's

namespace {

constexpr uint64_t PsPerNs = 1000;
constexpr uint64_t HalfPeriod = 4 * PsPerNs;
constexpr uint64_t PythonLag = 1 * PsPerNs;  // from clk to py_clk

class Simulation {
public:
    explicit Simulation(VerilatedContext& context) : context_{context}, top_{&context, ""}, bench_{*top_.rootp} {}
    Simulation(const Simulation&) = delete;

    // From time 0 until $finish, which is also how cocotb ends. Returns the exit status.
    int run() {
        vlog_startup_routines_bootstrap();
        VerilatedVpi::callCbs(cbStartOfSimulation);
        call_value_callbacks();
        evaluate();
        if (top_.eventsPending()) {
            std::fprintf(stderr, "run_main: a delay in the design; with CLOCK_FROM_MAIN time moves here only\n");
            return 1;
        }
        while (!context_.gotFinish()) cycle();
        top_.final();
        VerilatedVpi::callCbs(cbEndOfSimulation);
        return context_.errorCount() == 0 ? 0 : 1;
    }

private:
    bool asleep() const { return bench_.run_top__DOT__asleep; }

    void cycle() {
        const bool python = !asleep();
        advance(HalfPeriod);
        bench_.run_top__DOT__clk = 1;
        evaluate();
        if (python) {
            advance(PythonLag);
            bench_.run_top__DOT__py_clk = 1;
            evaluate();
        }
        advance(python ? HalfPeriod - PythonLag : HalfPeriod);
        bench_.run_top__DOT__clk = 0;
        bench_.run_top__DOT__py_clk = 0;
        evaluate();
    }

    // Moves on by `duration`, with a stop wherever a Timer of Python's is due.
    void advance(uint64_t duration) {
        const uint64_t end = context_.time() + duration;
        if (!asleep()) {
            for (uint64_t due; (due = VerilatedVpi::cbNextDeadline()) < end;) {
                context_.time(std::max(due, context_.time()));
                new_time();
                evaluate();
            }
        }
        context_.time(end);
        if (!asleep()) new_time();
    }

    void new_time() {
        VerilatedVpi::callCbs(cbNextSimTime);
        call_value_callbacks();
        VerilatedVpi::callTimedCbs();
        call_value_callbacks();
    }

    // Settles what has changed at this moment, and serves Python unless it sleeps on.
    void evaluate() {
        if (asleep()) {
            top_.eval();
            if (asleep()) return;
            call_value_callbacks();
        }
        do {
            do {
                top_.eval_step();
                VerilatedVpi::clearEvalNeeded();
                VerilatedVpi::doInertialPuts();
                call_value_callbacks();
            } while (VerilatedVpi::evalNeeded());
            VerilatedVpi::callCbs(cbReadWriteSynch);
            VerilatedVpi::doInertialPuts();
            call_value_callbacks();
        } while (VerilatedVpi::evalNeeded());
        top_.eval_end_step();
        VerilatedVpi::callCbs(cbReadOnlySynch);
    }

    // What a callback changes may call for further callbacks.
    static void call_value_callbacks() {
        while (VerilatedVpi::callValueCbs()) {
        }
    }

    VerilatedContext& context_;
    Vtop top_;
    Vtop___024root& bench_;
};

}  // namespace

int main(int argc, char** argv) {
    VerilatedContext& context = *Verilated::threadContextp();
    context.commandArgs(argc, argv);
    context.fatalOnVpiError(false);  // cocotb asks for what may not be there
    Simulation simulation{context};
    return simulation.run();
}
