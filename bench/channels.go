// What channels cost in Go on one CPU, in nanoseconds: to compare with lua_costs.lua, which starts it.
package main

import (
	"fmt"
	"runtime"
	"sync"
	"time"
)

const (
	messages = 500000
	rounds   = 5
)

// Prints the best of some rounds.
func measure(name string, operations int, run func(n int)) {
	best := time.Duration(1 << 62)
	for i := 0; i < rounds; i++ {
		start := time.Now()
		run(operations)
		if elapsed := time.Since(start); elapsed < best {
			best = elapsed
		}
	}
	fmt.Printf("%s=%.1f\n", name, float64(best.Nanoseconds())/float64(operations))
}

func spawn(n int) {
	var done sync.WaitGroup
	for i := 0; i < n; i++ {
		done.Add(1)
		go done.Done()
		done.Wait()
	}
}

func yield(n int) {
	done := make(chan bool)
	for i := 0; i < 2; i++ {
		go func() {
			for i := 0; i < n/2; i++ {
				runtime.Gosched()
			}
			done <- true
		}()
	}
	<-done
	<-done
}

func channel(capacity int) func(n int) {
	return func(n int) {
		ch := make(chan int, capacity)
		go func() {
			for i := 0; i < n; i++ {
				ch <- i
			}
			close(ch)
		}()
		for range ch {
		}
	}
}

func choose(n int) {
	a, b := make(chan int), make(chan int)
	for _, ch := range []chan int{a, b} {
		go func(ch chan int) {
			for i := 0; i < n/2; i++ {
				ch <- i
			}
		}(ch)
	}
	for i := 0; i < n/2*2; i++ {
		select {
		case <-a:
		case <-b:
		}
	}
}

func main() {
	runtime.GOMAXPROCS(1)
	measure("spawn", messages, spawn)
	measure("yield", messages, yield)
	measure("rendezvous", messages, channel(0))
	measure("buffered", messages, channel(64))
	measure("select", messages, choose)
}
