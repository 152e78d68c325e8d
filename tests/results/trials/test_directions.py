"""Names as the tools of the field log them: none is taken for the wrong direction; to be in doubt is allowed."""

from __future__ import annotations

import pytest

from hyperherd.results.trials.directions import MAXIMIZE, MINIMIZE, alternatives, direction_of, preference

HIGHER = {
    "Lightning": (
        "val_acc val/acc train_acc_epoch val/acc_best test/f1 val_auroc valid_iou val/mIoU val_dice val/psnr "
        "Accuracy/test val_acc/dataloader_idx_0 acc/top1 val_acc@5"
    ),
    "transformers": (
        "eval_accuracy eval_f1 eval_exact_match eval_HasAns_f1 eval_rouge1 eval_rougeLsum eval_bleu eval_sacrebleu "
        "eval_meteor eval_matthews_correlation eval_pearson eval_spearmanr eval_combined_score eval_chrf "
        "eval_mean_token_accuracy rewards/accuracies eval_bertscore_f1 acc,none acc_norm,none exact_match,strict-match "
        "pass@1 objective/rlhf_reward"
    ),
    "torchmetrics": (
        "BinaryF1Score MulticlassAccuracy JaccardIndex MatthewsCorrCoef AveragePrecision PearsonCorrCoef "
        "ExplainedVariance R2Score RetrievalMRR RetrievalNormalizedDCG StructuralSimilarityIndexMeasure BLEUScore "
        "VMeasureScore MultiScaleStructuralSimilarityIndexMeasure PeakSignalNoiseRatio "
        "ShortTimeObjectiveIntelligibility RetrievalHitRate"
    ),
    "Stable-Baselines3": (
        "rollout/ep_rew_mean rollout/success_rate eval/mean_reward eval/success_rate train/explained_variance"
    ),
    "CleanRL and others": (
        "charts/episodic_return charts/avg_episodic_return losses/explained_variance episode_reward_mean "
        "episode_return env_runners/episode_return_mean AverageEpRet eval/return return is_success eval/avg_return "
        "Episode_Reward/total win_rate"
    ),
    "MTEB": (
        "main_score ndcg_at_10 map_at_100 mrr_at_10 recall_at_5 precision_at_1 cosine_spearman v_measure similarity_ap "
        "max_f1 accuracy f1_weighted lrap"
    ),
    "speech": "PESQ stoi si_sdr SI-SNR utmos dev_acc word_accuracy",
    "scikit-learn": (
        "mean_test_score split0_test_score balanced_accuracy roc_auc neg_mean_squared_error neg_log_loss "
        "neg_root_mean_squared_error neg_brier_score d2_absolute_error_score cohen_kappa_score mean_reciprocal_rank "
        "matthews_corrcoef silhouette_score"
    ),
    "detection": "metrics/mAP50(B) metrics/mAP50-95(B) metrics/precision(B) bbox_mAP box/AP75",
}
LOWER = {
    "Lightning": (
        "loss val_loss val/loss_epoch train_loss_step Loss/val val_rmse val/mae val_perplexity val_nll valLoss"
    ),
    "transformers": "eval_loss train_loss eval_wer eval_cer eval_ppl eval_ter bits_per_byte word_perplexity,none",
    "torchmetrics": (
        "MeanSquaredError WordErrorRate CharErrorRate HingeLoss MeanAbsolutePercentageError CalibrationError "
        "KLDivergence FrechetInceptionDistance TweedieDevianceScore LogCoshError EditDistance HammingDistance"
    ),
    "Stable-Baselines3": "train/loss train/value_loss train/policy_gradient_loss train/critic_loss",
    "CleanRL and others": "losses/value_loss losses/qf1_loss LossV EpCost cum_regret",
    "speech": "WER CER/test test/wer dev_cer DER EER minDCF mcd per wer_greedy",
    "scikit-learn": (
        "brier_score_loss max_error mean_pinball_loss negative_log_likelihood hamming_loss davies_bouldin_score"
    ),
    "detection": "val/box_loss train/cls_loss loss_rpn_box_reg",
    "generation": "fid fid_score lpips kid acc_loss top1_error val_ece fpr95",
}
NEITHER = {
    "spreads": (
        "val_acc_std eval/return_std reward_std StdEpRet acc_stderr,none accuracy_stderr val/loss_var acc_sem "
        "v_measure_std loss_ci95 acc_ci_low std_test_score mean_acc_standard_error acc_iqr f1_std_error"
    ),
    "gaps": (
        "acc_gap generalization_loss_gap acc_drop delta_loss DeltaLossPi acc_improvement nauc_ndcg_at_10_diff1 1-acc"
    ),
    "counts": (
        "num_errors n_correct_hits loss_count HasAns_total rollout/ep_len_mean reward_len train/n_updates "
        "steps_to_success best_acc_epoch epoch_of_best_loss eval_gen_len"
    ),
    "scales": (
        "loss_scale reward_scale loss_weight kl_coef train/ent_coef_loss best_f1_thresh cos_sim_accuracy_threshold "
        "grad_norm learning_rate lr-Adam train/clip_range reward_threshold target_return"
    ),
    "runtimes": (
        "eval_runtime score_time loss_seconds time/fps charts/SPS eval_samples_per_second time_to_success "
        "evaluation_time reward/latency"
    ),
    "others": (
        "losses/entropy train/entropy_loss train/approx_kl losses/approx_kl losses/clipfrac rewards/chosen "
        "rewards/rejected objective/kl anomaly_score val/ratio rank_test_score train/std epoch step total_flos gpu_mem "
        "neg_acc true_negative_accuracy acc_forgetting mse_skill_score train/clip_fraction return_value.1"
    ),
}


RL_NAMES = ["rollout/ep_rew_mean", "return", "eval/return", "success_rate", "charts/episodic_return", "win_rate"]


def cases(groups: dict[str, str], direction: str | None) -> list[tuple[str, str | None]]:
    return [(name, direction) for names in groups.values() for name in names.split()]


NAMES = [*cases(HIGHER, MAXIMIZE), *cases(LOWER, MINIMIZE), *cases(NEITHER, None)]


@pytest.mark.parametrize(("name", "direction"), NAMES)
def test_no_name_is_taken_for_the_wrong_direction(name: str, direction: str | None) -> None:
    assert direction_of(name) in (direction, None)


def test_most_names_of_the_field_are_known() -> None:
    """Doubt is right, but of no use to anyone: it must stay the exception where a name does have a direction."""
    assert len(NAMES) > 150
    pointing = [(name, direction) for name, direction in NAMES if direction]
    known = sum(direction_of(name) == direction for name, direction in pointing)
    assert known / len(pointing) > 0.9, [name for name, _ in pointing if not direction_of(name)]


@pytest.mark.parametrize("name", RL_NAMES)
def test_names_of_reinforcement_learning_are_known(name: str) -> None:
    assert direction_of(name) == MAXIMIZE


def test_a_measure_comes_before_the_loss_it_was_trained_on() -> None:
    assert preference("val/wer") < preference("val/loss") < preference("acc") < preference("test/acc")


@pytest.mark.parametrize(
    ("names", "left"),
    [
        (["val/acc", "val/acc_best", "val/acc_epoch"], ["val/acc"]),
        (["episode_reward_max", "episode_reward_mean", "episode_reward_min"], ["episode_reward_mean"]),
        (["loss_step", "loss_epoch"], ["loss_epoch"]),
        (["val/loss", "val/box_loss", "val/cls_loss"], ["val/loss"]),
        (["val/box_loss", "val/cls_loss"], ["val/box_loss", "val/cls_loss"]),
        (["val/acc", "val/f1"], ["val/acc", "val/f1"]),
        (["val/a/acc", "val/b/acc"], ["val/a/acc", "val/b/acc"]),
        (["eval_rouge1", "eval_rouge2"], ["eval_rouge1", "eval_rouge2"]),
    ],
)
def test_forms_of_one_metric_are_one(names: list[str], left: list[str]) -> None:
    assert alternatives(names) == left
