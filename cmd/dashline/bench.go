package main

type benchCmd struct {
	Worker benchWorkerCmd `cmd:"" hidden:"" help:"Be measured: follow orders on standard input."`
}
