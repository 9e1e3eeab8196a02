// An echo server in Go: one goroutine a connection, with a buffer of as many bytes as the argument says.
package main

import (
	"fmt"
	"net"
	"os"
	"strconv"
)

func serve(client net.Conn, size int) {
	defer client.Close()
	buffer := make([]byte, size)
	for {
		n, err := client.Read(buffer)
		if err != nil {
			return
		}
		if _, err := client.Write(buffer[:n]); err != nil {
			return
		}
	}
}

func main() {
	size, err := strconv.Atoi(os.Args[1])
	if err != nil {
		panic(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	for {
		client, err := listener.Accept()
		if err == nil {
			go serve(client, size)
		}
	}
}
