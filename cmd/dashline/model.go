package main

type modelCmd struct {
	Info     modelInfoCmd     `cmd:"" help:"Say what a network costs: parameters, work, memory, and with --measure time."`
	Diff     modelDiffCmd     `cmd:"" help:"Say what two networks differ in."`
	Convert  modelConvertCmd  `cmd:"" help:"Write a network as ONNX, float32 or float16."`
	Prune    modelPruneCmd    `cmd:"" help:"Remove channels of a network and fit the rest to what it was; no labels, no training."`
	Finetune modelFinetuneCmd `cmd:"" help:"Train a pruned network on, with labels or on what the unpruned one says about pictures."`
	Quantize modelQuantizeCmd `cmd:"" help:"Make a network compute in 8 bits, or in 16-bit floats, and say whether it is faster here."`
	Ladder   modelLadderCmd   `cmd:"" help:"Make smaller forms of a network, measure all, and keep those worth having."`
	Verify   modelVerifyCmd   `cmd:"" help:"Say how far one network finds what another finds."`
	Probe    modelProbeCmd    `cmd:"" hidden:"" help:"What info --measure runs in a process of its own."`
}

func (modelCmd) Help() string {
	return `Examples:
  dashline model info yolov3                                  what each layer costs, and all together
  dashline model convert yolo-fastest-1.1-xl -o out/xl        the same network on ONNX Runtime, about twice as fast
  dashline model prune dashline-full --flops 50% --calibrate drive.mp4 -o out/half
  dashline model quantize dashline-full --int8 --calibrate drive.mp4 -o out/int8
  dashline model ladder dashline-full --deadline 50ms --calibrate drive.mp4 --validate heldout.mp4
  dashline model verify dashline-full out/half.yaml --images drive.mp4
  dashline model diff dashline-full out/half.yaml             what became smaller, and by how much

NET is the name of a described network (dashline networks), a description (.yaml), a darknet .cfg with its .weights beside it, or an .onnx file. docs/model.md says what each command does and what it is worth.

Exit codes: 0 done; 1 files are missing or damaged, or a target cannot be reached; 2 the command line is wrong.`
}
