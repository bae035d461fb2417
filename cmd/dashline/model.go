package main

type modelCmd struct {
	Finetune modelFinetuneCmd `cmd:"" help:"Train a pruned network on, on what the network that it was pruned from says, or on labels."`
}

func (modelCmd) Help() string {
	return `Examples:
  dashline model finetune half.yaml --teacher dashline-full --data drive.mp4 -o tuned

docs/finetune.md says what it does and what it is worth.

Exit codes: 0 done; 1 files are missing or damaged; 2 the command line is wrong; 3 stopped, and can go on.`
}
