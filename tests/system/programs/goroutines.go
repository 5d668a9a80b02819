// Goroutines, channels, select, timers, garbage collection and a recovered fault: what Go's runtime asks of a kernel.
package main

import (
	"fmt"
	"os"
	"runtime"
	"sort"
	"sync"
	"sync/atomic"
	"time"
)

func pipeline(workers, jobs int) uint64 {
	work := make(chan uint64)
	results := make(chan uint64, 8)
	var group sync.WaitGroup
	for index := 0; index < workers; index++ {
		group.Add(1)
		go func() {
			defer group.Done()
			for job := range work {
				results <- job * job
			}
		}()
	}
	go func() {
		for job := 0; job < jobs; job++ {
			work <- uint64(job)
		}
		close(work)
		group.Wait()
		close(results)
	}()
	var sum uint64
	for result := range results {
		sum += result
	}
	return sum
}

func recovered() (message string) {
	defer func() { message = fmt.Sprint(recover()) }()
	var nothing *struct{ value int }
	return fmt.Sprint(nothing.value)
}

func main() {
	fmt.Println("arguments", os.Args[1:])
	fmt.Println("pipeline", pipeline(4, 400))

	select {
	case <-make(chan int):
		fmt.Println("unexpected")
	case <-time.After(20 * time.Millisecond):
		fmt.Println("timeout")
	}

	var count int64
	var group sync.WaitGroup
	var lock sync.Mutex
	seen := map[int]bool{}
	for index := 0; index < 100; index++ {
		group.Add(1)
		go func(index int) {
			defer group.Done()
			atomic.AddInt64(&count, 1)
			runtime.Gosched()
			lock.Lock()
			seen[index%10] = true
			lock.Unlock()
		}(index)
	}
	group.Wait()
	fmt.Println("goroutines", count, len(seen))

	kept := make([][]byte, 0)
	for index := 0; index < 64; index++ {
		kept = append(kept, make([]byte, 64<<10))
		if index%16 == 15 {
			kept = kept[:0]
			runtime.GC()
		}
	}
	fmt.Println("collected", len(kept))

	fmt.Println("recovered", recovered())

	ticker := time.NewTicker(2 * time.Millisecond)
	ticks := 0
	for range ticker.C {
		ticks++
		if ticks == 5 {
			break
		}
	}
	ticker.Stop()
	fmt.Println("ticks", ticks)

	words := []string{"pear", "apple", "fig"}
	sort.Strings(words)
	fmt.Println("sorted", words)
	os.Exit(7)
}
